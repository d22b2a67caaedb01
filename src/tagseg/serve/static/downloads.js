// What people take along: of the image in view, or of all that are done.

import { getExport } from "./api.js";
import { encodeMask, maskNames, save, zip } from "./files.js";
import { Look } from "./view.js";

const $ = (id) => document.getElementById(id);

const say = (text) => ($("download-note").textContent = text);

// Make the buttons work. `state` is the page's; `shown` tells the view and the background score that are set.
export function setUpDownloads(state, shown) {
  const ready = () => state.items.filter((item) => item.state === "done");

  async function labelled(item) {
    if (item === state.current && state.look) return state.look;
    const look = await Look.open(item, state.info);
    if (!state.info.segmenter) await look.cut(shown.backgroundScore());
    return look;
  }

  async function maskOf(item, palette) {
    const { labels, width, height } = await labelled(item);
    return encodeMask(labels, { width, height, colors: state.info.palettes[palette] });
  }

  const chosenPalette = () => $("palette").value;

  // The masks of some images in a format of `tagseg export`, as they are shown.
  async function exported(items, format) {
    const masks = await each(items, async (item) => new File([await maskOf(item, "voc")], item.name));
    const { photographs } = state.info.exports.find(({ name }) => name === format);
    const sent = photographs ? items.map((item) => item.file) : [];
    say(items.length > 1 ? "Writing" : "");
    return getExport(format, masks, sent, items.filter((item) => item.edit).length);
  }

  async function each(items, make) {
    const made = [];
    for (const [place, item] of items.entries()) {
      if (items.length > 1) say(`${place + 1} of ${items.length}`);
      made.push(await make(item));
    }
    return made;
  }

  const FILES = {
    async mask() {
      save(await maskOf(state.current, chosenPalette()), maskNames([state.current.name])[0]);
    },
    async overlay() {
      const blob = await new Promise((resolve) => $("canvas").toBlob(resolve, "image/png"));
      save(blob, maskNames([state.current.name])[0].replace(/\.png$/, `.${shown.currentView()}.png`));
    },
    async coco() {
      const { blob, notes } = await exported([state.current], "coco");
      save(blob, maskNames([state.current.name])[0].replace(/\.png$/, ".coco.json"));
      return notes;
    },
    async masks() {
      const [items, names] = [ready(), maskNames(ready().map((item) => item.name))];
      const blobs = await each(items, (item) => maskOf(item, chosenPalette()));
      save(await zip(blobs.map((blob, place) => ({ name: names[place], blob }))), "masks.zip");
    },
    async export() {
      const format = $("export-format").value;
      const { blob, notes } = await exported(ready(), format);
      save(blob, `${format}.${blob.type === "application/json" ? "json" : "zip"}`);
      return notes;
    },
  };

  async function download(event) {
    const kind = event.target.dataset?.file;
    if (!kind) return;
    event.target.disabled = true;
    say("");
    try {
      say(((await FILES[kind]()) || []).join("; "));
    } catch (error) {
      say(`${error.message}; ${error.help || "try again"}`);
    }
    event.target.disabled = false;
  }

  for (const id of ["downloads", "downloads-all", "export-box"]) $(id).addEventListener("click", download);
}
