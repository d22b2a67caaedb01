// What people take along: of the image in view, or of all that are done.

import { Problem, getCoco } from "./api.js";
import { encodeMask, maskNames, mergeCoco, save, zip } from "./files.js";
import { Look } from "./view.js";

const $ = (id) => document.getElementById(id);

// Make the buttons work. `state` is the page's; `shown` tells the view and the background score that are set.
export function setUpDownloads(state, shown) {
  const ready = () => state.items.filter((item) => item.state === "done");

  async function labelled(item) {
    if (item === state.current && state.look) return state.look;
    const look = await Look.open(item, state.info);
    if (!state.info.segmenter) await look.cut(shown.backgroundScore());
    return look;
  }

  async function maskOf(item) {
    const { labels, width, height } = await labelled(item);
    return encodeMask(labels, { width, height, colors: state.info.palettes[$("palette").value] });
  }

  async function cocoOf(item) {
    if (item.edit) throw new Problem(`COCO JSON has the network's mask, and that of ${item.name} is corrected`, "take the PNG");
    const tags = [...item.chosen].map((id) => state.info.labels[id]);
    if (state.info.segmenter) return getCoco(item.file, { tags });
    const coco = await getCoco(item.file, { tags, background_score: String(shown.backgroundScore()) });
    return tags.length ? coco : { ...coco, annotations: [] }; // without any the server takes the likely ones
  }

  const asJson = (content) => new Blob([`${JSON.stringify(content)}\n`], { type: "application/json" });

  async function each(items, make) {
    const made = [];
    for (const [place, item] of items.entries()) {
      if (items.length > 1) $("download-note").textContent = `${place + 1} of ${items.length}`;
      made.push(await make(item));
    }
    return made;
  }

  const FILES = {
    async mask() {
      save(await maskOf(state.current), maskNames([state.current.name])[0]);
    },
    async overlay() {
      const blob = await new Promise((resolve) => $("canvas").toBlob(resolve, "image/png"));
      save(blob, maskNames([state.current.name])[0].replace(/\.png$/, `.${shown.currentView()}.png`));
    },
    async coco() {
      save(asJson(await cocoOf(state.current)), maskNames([state.current.name])[0].replace(/\.png$/, ".coco.json"));
    },
    async masks() {
      const [items, names] = [ready(), maskNames(ready().map((item) => item.name))];
      const blobs = await each(items, maskOf);
      save(await zip(blobs.map((blob, place) => ({ name: names[place], blob }))), "masks.zip");
    },
    async "coco-all"() {
      save(asJson(mergeCoco(await each(ready(), cocoOf))), "coco.json");
    },
  };

  async function download(event) {
    const kind = event.target.dataset?.file;
    if (!kind) return;
    event.target.disabled = true;
    $("download-note").textContent = "";
    try {
      await FILES[kind]();
      $("download-note").textContent = "";
    } catch (error) {
      $("download-note").textContent = `${error.message}; ${error.help || "try again"}`;
    }
    event.target.disabled = false;
  }

  for (const id of ["downloads", "downloads-all"]) $(id).addEventListener("click", download);
}
