// The page: a queue of images, the one in view, and what is shown of it.

import { Problem, getInfo, getSample, look as askServer, useToken } from "./api.js";
import { setUpDownloads } from "./downloads.js";
import { setUpEditor } from "./editor.js";
import { HEAT } from "./pixels.js";
import { fillLegend, fillTagChoice, fillTags, itemRow } from "./parts.js";
import { Look, addMaps, thumbnail } from "./view.js";

const MEGABYTE = 1_000_000;
const MOST_CLASSES = 24; // whose names are seen at once on the first page
const $ = (id) => document.getElementById(id);

const state = { info: null, items: [], current: null, look: null, layer: null, tag: "", isWorking: false, turn: 0 };

let updateEditor = () => {};

// ---------------------------------------------------------------- the queue

function add(files) {
  const first = state.items.length;
  for (const file of files) {
    const item = { file, name: file.name || "pasted.png", state: "waiting", maps: new Map(), chosen: new Set() };
    item.row = itemRow(item.name, () => select(item));
    state.items.push(item);
    $("items").append(item.row.element);
    drawThumbnail(item);
  }
  if (state.items.length === first) return;
  $("main").classList.remove("empty");
  for (const section of document.querySelectorAll(".view, .panel")) section.hidden = false;
  if (!state.current) select(state.items[first]);
  tellProgress();
  work();
}

async function drawThumbnail(item) {
  try {
    const bitmap = await createImageBitmap(item.file);
    item.row.setPicture(await thumbnail(bitmap));
    bitmap.close();
  } catch {
    // No kind of file that the browser draws: the row stays without a picture.
  }
}

// One image at a time: the server has one network, and the others wait here as well as there.
async function work() {
  if (state.isWorking || !state.info) return;
  state.isWorking = true;
  for (let item; (item = state.items.find((each) => each.state === "waiting")); ) {
    setState(item, "working");
    try {
      if (item.file.size > state.info.max_upload_mb * MEGABYTE) throw tooLarge(item.file);
      item.answer = await askServer(item.file, state.info, tagsOf(item));
      if (!isSegmenter()) {
        addMaps(item, item.answer);
        item.chosen = new Set(item.answer.maps.map((map) => map.id));
      }
      setState(item, "done");
    } catch (error) {
      fail(item, error);
    }
    if (item === state.current) await show();
  }
  state.isWorking = false;
}

const tagsOf = (item) => [...item.chosen].map((id) => state.info.labels[id]);

function tooLarge(file) {
  const limit = state.info.max_upload_mb;
  return new Problem(
    `upload must be at most ${limit} MB, got ${(file.size / MEGABYTE).toFixed(1)} MB`,
    "send a smaller copy, or start 'tagseg serve' with a higher --max-upload-mb",
  );
}

function fail(item, error) {
  if (!(error instanceof Problem)) console.warn(error);
  item.error = error instanceof Problem ? error : new Problem("this image could not be shown", "try again");
  setState(item, "failed");
}

function setState(item, name) {
  item.state = name;
  item.row.setState(name, item.error);
  tellProgress();
}

function tellProgress() {
  const count = (name) => state.items.filter((item) => item.state === name).length;
  const failed = count("failed");
  const parts = [`${count("done")} of ${state.items.length} done`];
  if (failed) parts.push(`${failed} could not be used`);
  $("progress").textContent = parts.join(", ");
  $("downloads-all").hidden = count("done") < 2;
  $("export-box").hidden = !count("done");
}

// ---------------------------------------------------------------- the image in view

async function select(item) {
  state.current?.row.setCurrent(false);
  state.current = item;
  item.row.setCurrent(true);
  await show();
}

async function show() {
  const item = state.current;
  const turn = begin();
  state.look = state.layer = null;
  $("view-title").textContent = item.name;
  $("view-note").textContent = $("readout").textContent = "";
  setUsable(false);
  if (item.state !== "done") {
    if (item.state === "failed") say(item.error.message, item.error.help);
    else say(item.state === "working" ? "Looking at it" : "Waiting for its turn");
    return end(turn);
  }
  try {
    const look = await Look.open(item, state.info);
    if (!isSegmenter()) await look.cut(backgroundScore());
    if (turn !== state.turn) return;
    state.look = look;
    $("view-note").textContent = `${look.width} × ${look.height} px, ${item.answer.seconds.toFixed(2)} s`;
    fillTagChoice($("tag"), item, state);
    fillTags($("tags"), item, state.info, chooseTag);
    setUsable(true);
    say("");
    await redraw();
  } catch (error) {
    if (turn !== state.turn) return;
    say(error.message, error.help);
    end(turn);
  }
}

// What takes a while ends for nobody when something else was asked for meanwhile.
function begin() {
  $("stage").setAttribute("aria-busy", "true");
  return ++state.turn;
}

function end(turn) {
  if (turn === state.turn) $("stage").setAttribute("aria-busy", "false");
}

function setUsable(usable) {
  for (const control of document.querySelectorAll(".panel input, .panel select:not(#export-format), #downloads button")) {
    control.disabled = !usable;
  }
  if (!usable) $("legend").replaceChildren();
}

function say(text, help = "") {
  const parts = [text, help].filter(Boolean).map((line, place) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    paragraph.className = place ? "help" : "";
    return paragraph;
  });
  $("message").replaceChildren(...parts);
  $("message").hidden = !text;
  $("canvas").hidden = Boolean(text);
}

const currentView = () => document.querySelector("input[name=view]:checked").value;
const isSegmenter = () => Boolean(state.info.segmenter);
const backgroundScore = () => Number($("background").value);

// Make the layer anew, where more than its opacity has changed.
async function redraw() {
  const look = state.look;
  const view = currentView();
  $("tag-row").hidden = view !== "cam";
  $("scale").hidden = view === "mask";
  $("palette-row").hidden = $("legend-box").hidden = view !== "mask";
  $("background-row").hidden = isSegmenter() || view !== "mask";
  $("tags-box").hidden = view === "cam";
  $("tags-note").hidden = !isSegmenter();
  updateEditor();
  if (!look) return;
  const palette = $("palette").value;
  const turn = begin();
  fillLegend($("legend"), look.areas(), state.info.labels, state.info.palettes[palette]);
  try {
    if (view === "cam" && !look.item.tags) {
      await look.findTags();
      if (turn !== state.turn) return;
      fillTagChoice($("tag"), look.item, state);
    }
    const layer = await look.layer(view, { palette, tag: Number($("tag").value) });
    if (turn !== state.turn) return;
    state.layer = layer;
    compose();
  } catch (error) {
    if (turn === state.turn) $("readout").textContent = `${error.message}; ${error.help || "try again"}`;
  }
  end(turn);
}

function compose() {
  $("opacity-value").textContent = `${Math.round(100 * $("opacity").value)} %`;
  $("background-value").textContent = backgroundScore().toFixed(2);
  if (!state.layer) return;
  state.look.compose($("canvas"), state.layer, Number($("opacity").value));
  $("canvas").setAttribute("aria-label", describe());
}

function describe() {
  const { info, look, current } = state;
  if (currentView() === "cam") return `CAM of ${info.tags[$("tag").value - 1]} over ${current.name}`;
  if (currentView() === "score") return `Score of every pixel over ${current.name}`;
  const found = look.areas().filter(({ id }) => id).map(({ id, share }) => `${info.labels[id]} ${percent(share)}`);
  return `${current.name} with its mask: ${found.join(", ") || "background only"}`;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

async function recut() {
  if (!state.look) return;
  const turn = begin();
  try {
    await state.look.cut(backgroundScore());
    if (turn === state.turn) await redraw();
  } catch (error) {
    $("readout").textContent = `${error.message}; ${error.help || "try again"}`;
    end(turn);
  }
}

async function chooseTag(id, isChosen) {
  if (isChosen) state.current.chosen.add(id);
  else state.current.chosen.delete(id);
  if (isSegmenter()) await relabel(state.current);
  else await recut();
}

// Ask the segmenter anew, which may give labels of the chosen tags only. The last choice counts.
async function relabel(item) {
  const turn = begin();
  const asked = (item.asked = (item.asked || 0) + 1);
  try {
    const answer = await askServer(item.file, state.info, tagsOf(item));
    if (asked !== item.asked) return;
    item.answer = answer;
    if (item !== state.current || !state.look) return;
    await state.look.take(answer);
    if (asked === item.asked && item === state.current) await redraw();
  } catch (error) {
    if (item === state.current) $("readout").textContent = `${error.message}; ${error.help || "try again"}`;
    end(turn);
  }
}

// Where a pointer is, in shares of the picture's width and height.
function sharesOf(event) {
  const [canvas, box] = [$("canvas"), $("canvas").getBoundingClientRect()];
  // The picture keeps its proportions in the middle of the box.
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const [x, y] = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  return [0.5 + x / scale / canvas.width, 0.5 + y / scale / canvas.height];
}

// Draw the mask while a stroke is under way; what is told of it follows at its end.
async function repaint() {
  if (!state.look || currentView() !== "mask") return;
  state.layer = await state.look.layer("mask", { palette: $("palette").value });
  compose();
}

function mark(place, radius) {
  compose();
  state.look.mark($("canvas"), place, radius);
}

function tellPixel(event) {
  if (!state.look) return;
  const found = state.look.at(...sharesOf(event), Number($("tag").value));
  const cam = currentView() === "cam" && found.cam !== undefined;
  const what = cam ? `CAM ${found.cam.toFixed(2)}` : `${state.info.labels[found.label]}, score ${found.score.toFixed(2)}`;
  $("readout").textContent = `${found.column}, ${found.row}: ${what}`;
}

// ---------------------------------------------------------------- what people do

function listen() {
  $("files").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = ""; // the same file may be chosen again
  });
  $("sample").addEventListener("click", trySample);
  document.addEventListener("paste", (event) => add([...event.clipboardData.files]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("curtain").hidden = !event.dataTransfer.types.includes("Files");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("curtain").hidden = true;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("curtain").hidden = true;
    const isFolder = (entry) => entry.webkitGetAsEntry?.()?.isDirectory;
    add([...event.dataTransfer.items].filter((entry) => entry.kind === "file" && !isFolder(entry)).map((entry) => entry.getAsFile()));
  });
  document.addEventListener("keydown", move);
  $("views").addEventListener("change", redraw);
  $("palette").addEventListener("change", redraw);
  $("tag").addEventListener("change", () => {
    state.tag = $("tag").value; // from now on the choice holds for all images
    redraw();
  });
  $("opacity").addEventListener("input", compose);
  $("background").addEventListener("input", recut);
  $("canvas").addEventListener("pointermove", tellPixel);
  $("canvas").addEventListener("pointerleave", () => ($("readout").textContent = ""));
  setUpDownloads(state, { currentView, backgroundScore });
  const placeOf = (event) => state.look.placeAt(...sharesOf(event));
  updateEditor = setUpEditor(state, { currentView, redraw, repaint, mark, placeOf });
  $("theme").addEventListener("click", switchTheme);
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken($("token").value.trim());
    open();
  });
}

async function trySample() {
  try {
    add([await getSample(state.info.sample)]);
  } catch (error) {
    $("limits").textContent = `${error.message}; ${error.help}`;
  }
}

// Arrow up and down go through the queue, unless a control needs them.
function move(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !state.current || event.target.matches("input, select, canvas") || event.ctrlKey || event.altKey || event.metaKey) return;
  const next = state.items[state.items.indexOf(state.current) + step];
  if (!next) return;
  event.preventDefault();
  select(next);
  next.row.focus();
}

function switchTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("tagseg-theme", theme);
  } catch {
    // Without storage the choice holds until the page is closed.
  }
}

async function start() {
  listen();
  const bar = $("scale-bar").getContext("2d");
  HEAT.forEach(([red, green, blue], step) => {
    bar.fillStyle = `rgb(${red} ${green} ${blue})`;
    bar.fillRect(step, 0, 1, 1);
  });
  await open();
}

// Ask what is served, and people for the token where the server asks for one.
async function open() {
  try {
    state.info = await getInfo();
  } catch (error) {
    if (error.status === 401) askForToken();
    else $("limits").textContent = `${error.message}; ${error.help}`;
    return;
  }
  $("token-form").hidden = true;
  const { info } = state;
  $("source").textContent = info.title;
  document.title = `tagseg: ${info.title}`;
  const networks = [info.segmenter && "a segmenter", info.classifier && "a classifier"].filter(Boolean).join(" and ");
  const classes = info.labels.length - 1;
  $("limits").textContent = `${info.formats.join(", ")}, up to ${info.max_upload_mb} MB each. Looked at by ${networks} of ${classes} classes on this server, and not kept.`;
  showClasses(info.labels.slice(1));
  $("sample").hidden = info.sample === null;
  $("edit-class").replaceChildren(...info.labels.slice(1).map((name, place) => new Option(name, place + 1)));
  $("export-format").replaceChildren(...info.exports.map(({ name, title }) => new Option(title, name)));
  $("cam-view").hidden = !info.classifier;
  if (info.background_score !== null) $("background").value = info.background_score;
  compose();
  work();
}

function showClasses(names) {
  const [first, rest] = [names.slice(0, MOST_CLASSES), names.slice(MOST_CLASSES)];
  $("classes").textContent = `${names.length === 1 ? "Class" : "Classes"}: ${first.join(", ")}`;
  $("more-classes").hidden = !rest.length;
  $("more-classes").querySelector("summary").textContent = `and ${rest.length} more`;
  $("more-classes").querySelector("p").textContent = rest.join(", ");
}

function askForToken() {
  if ($("token").value) $("token-note").textContent = "This is not the token of this server.";
  $("token-form").hidden = false;
  $("token").focus();
  $("token").select();
}

start();
