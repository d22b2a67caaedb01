// Corrections by hand of the mask in view. The server keeps them in the folder that its user named.

import { getRegions, saveCorrection } from "./api.js";
import { encodeMask } from "./files.js";
import { MaskEdit } from "./mask_edit.js";
import { decodeRegions } from "./pixels.js";

const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const $ = (id) => document.getElementById(id);

// Make the tools work. `state` is the page's; `shown` draws the mask, tells the view, and where a pointer is.
export function setUpEditor(state, shown) {
  let isOn = false;
  let drawing = null; // mask that a stroke is under way in
  let last = null; // place that it has come to
  let cursor = null; // place that the keys move
  let isDue = false;
  let seen = null; // the image that the tools were shown for

  const canEdit = () => isOn && state.look && shown.currentView() === "mask";
  const tool = () => document.querySelector("input[name=tool]:checked").value;
  const label = () => (tool() === "eraser" ? 0 : Number($("edit-class").value));
  const radius = () => Number($("brush").value) / 2;

  function say(text) {
    $("editor-note").textContent = text;
  }

  function edit() {
    const { look } = state;
    return (look.item.edit ||= new MaskEdit(look.found, look.width, look.height));
  }

  async function begin(place) {
    if (tool() === "fill") return fill(place);
    last = place;
    drawing = edit();
    drawing.begin();
    go(place);
  }

  function go(place) {
    drawing.line(last, place, { radius: radius(), id: label() });
    last = place;
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      shown.repaint();
    });
  }

  function end() {
    if (!drawing) return;
    drawing.end();
    drawing = null;
    finish();
  }

  function finish() {
    say("");
    shown.redraw().then(() => cursor && shown.mark(cursor, radius()));
  }

  async function fill(place) {
    const { look } = state;
    const id = label();
    try {
      if (!look.regions) {
        say("Looking for superpixels");
        look.regions = await decodeRegions((await getRegions(look.item.file)).regions_png);
      }
    } catch (error) {
      return say(`${error.message}; ${error.help || "try again"}`);
    }
    if (look !== state.look) return;
    edit().begin();
    edit().fill(look.regions, place, id);
    edit().end();
    finish();
  }

  function undo() {
    if (drawing || !state.look?.item.edit?.isChanged) return;
    edit().undo();
    say("");
    shown.redraw();
  }

  async function save() {
    const { item, labels, width, height } = state.look;
    $("save-correction").disabled = true;
    try {
      const mask = await encodeMask(labels, { width, height, colors: state.info.palettes.voc });
      const { file } = await saveCorrection(mask, item.name);
      say(`saved as ${file}`);
    } catch (error) {
      say(`${error.message}; ${error.help || "try again"}`);
    }
    $("save-correction").disabled = false;
  }

  function press(event) {
    if (!canEdit()) return;
    const { width, height } = state.look;
    cursor ||= { column: Math.floor(width / 2), row: Math.floor(height / 2) };
    const step = STEPS[event.key];
    if (step) {
      const length = event.shiftKey ? 1 : Math.max(1, Math.round(radius()));
      const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
      cursor = { column: clamp(cursor.column + length * step[0], width), row: clamp(cursor.row + length * step[1], height) };
      shown.mark(cursor, radius());
    } else if (event.key === " " || event.key === "Enter") {
      begin(cursor).then(end);
    } else {
      return;
    }
    event.preventDefault();
  }

  // What is shown of the tools, after the image, the view or the mask has changed.
  function update() {
    const item = state.look?.item;
    if (item !== seen) [seen, cursor] = [item, null];
    const isChanged = Boolean(item?.edit?.isChanged);
    if (item?.edit && !isChanged && !drawing) item.edit = null; // the network's mask again
    $("editor-box").hidden = !state.info.corrections || shown.currentView() !== "mask";
    $("editor").hidden = !isOn;
    $("edit").setAttribute("aria-expanded", String(isOn));
    $("undo").disabled = !isChanged;
    $("save-correction").disabled = !item;
    $("tags-box").disabled = $("background").disabled = !item || isChanged;
    $("brush-value").textContent = `${$("brush").value} px`;
    $("edit-class").disabled = !item || tool() === "eraser";
    $("brush").disabled = !item || tool() === "fill";
    const canvas = $("canvas");
    canvas.classList.toggle("editing", Boolean(canEdit()));
    canvas.setAttribute("role", canEdit() ? "application" : "img");
    if (canEdit()) canvas.tabIndex = 0;
    else canvas.removeAttribute("tabindex");
  }

  $("edit").addEventListener("click", () => {
    isOn = !isOn;
    update();
  });
  $("editor").addEventListener("input", update);
  $("undo").addEventListener("click", undo);
  $("save-correction").addEventListener("click", save);
  const canvas = $("canvas");
  canvas.addEventListener("keydown", press);
  canvas.addEventListener("pointerdown", (event) => {
    if (!canEdit() || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    cursor = null;
    begin(shown.placeOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drawing && canEdit()) go(shown.placeOf(event));
  });
  canvas.addEventListener("blur", () => {
    if (cursor) shown.repaint();
    cursor = null;
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
  document.addEventListener("keydown", (event) => {
    if (!canEdit() || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    undo();
  });
  return update;
}
