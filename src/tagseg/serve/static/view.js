// One image as it is looked at: its pixels decoded, laid over the photograph, told under the pointer.

import { getMaps, getPhoto } from "./api.js";
import { HEAT, areasOf, cutLabels, decodeGrey, decodeLabels, newCanvas, paint, strongest } from "./pixels.js";

const MOST_PIXELS = 16_000_000; // of a canvas that every browser can draw; larger images are shown thinned out

// The decoded pixels of one item; only the item in view has them, so that a long queue stays small.
export class Look {
  static async open(item, info) {
    const { width, height } = item.answer;
    const look = new Look();
    Object.assign(look, { item, info, width, height, maps: new Map() });
    look.step = Math.ceil(Math.sqrt((width * height) / MOST_PIXELS));
    look.photo = await drawable(item.file, width, height);
    if (info.segmenter) await look.take(item.answer);
    return look;
  }

  // Labels and scores from a segmenter's answer.
  async take(answer) {
    const labels = await decodeLabels(answer.mask_png, this.info.palettes.voc);
    const score = await decodeGrey(answer.score_png);
    Object.assign(this, { found: labels, score });
  }

  // What a person has drawn, else what was found.
  get labels() {
    return this.item.edit ? this.item.edit.labels : this.found;
  }

  // Labels and scores from the maps of the chosen tags.
  async cut(backgroundScore) {
    for (const id of this.item.chosen) await this.map(id);
    const chosen = new Map([...this.item.chosen].map((id) => [id, this.maps.get(id)]));
    const found = strongest(chosen, this.width * this.height);
    this.score = found.score;
    this.found = cutLabels(found, backgroundScore);
  }

  // Ask the classifier which tags the image has.
  async findTags() {
    addMaps(this.item, await getMaps(this.item.file, []));
  }

  async map(id) {
    if (!this.maps.has(id)) {
      if (!this.item.maps.has(id)) addMaps(this.item, await getMaps(this.item.file, this.info.tags[id - 1]));
      this.maps.set(id, await decodeGrey(this.item.maps.get(id)));
    }
    return this.maps.get(id);
  }

  areas() {
    return areasOf(this.labels, this.score);
  }

  // What lies over the photograph in a view: `mask`, `score`, or `cam` with the label id of its tag.
  async layer(view, { palette, tag }) {
    const { width, height, step } = this;
    if (view === "mask") {
      const colors = this.info.palettes[palette];
      return paint(this.labels, { width, height, step, colors, isClear: (id) => id === 0 });
    }
    const values = view === "cam" ? await this.map(tag) : this.score;
    return paint(values, { width, height, step, colors: HEAT, isClear: () => false });
  }

  // The photograph with a layer over it, on a canvas.
  compose(canvas, layer, opacity) {
    if (canvas.width !== layer.width || canvas.height !== layer.height) {
      [canvas.width, canvas.height] = [layer.width, layer.height];
    }
    const context = canvas.getContext("2d");
    context.globalAlpha = 1;
    context.drawImage(this.photo, 0, 0, layer.width, layer.height);
    context.globalAlpha = opacity;
    context.drawImage(layer, 0, 0);
  }

  // The pixel at a place given in shares of width and height; outside of the image too.
  placeAt(x, y) {
    return { column: Math.floor(x * this.width), row: Math.floor(y * this.height) };
  }

  // A circle around a pixel, on a canvas.
  mark(canvas, { column, row }, radius) {
    const context = canvas.getContext("2d");
    const [x, y, size] = [(column + 0.5) / this.step, (row + 0.5) / this.step, Math.max(3, radius / this.step)];
    context.globalAlpha = 1;
    for (const [color, width] of [["#000000", 3], ["#ffffff", 1]]) {
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      Object.assign(context, { strokeStyle: color, lineWidth: width });
      context.stroke();
    }
  }

  // What is at a place given in shares of width and height.
  at(x, y, tag) {
    const clamp = (place, size) => Math.min(size - 1, Math.max(0, place));
    const place = this.placeAt(x, y);
    const [column, row] = [clamp(place.column, this.width), clamp(place.row, this.height)];
    const pixel = row * this.width + column;
    const map = this.maps.get(tag);
    return { column, row, label: this.labels[pixel], score: this.score[pixel] / 255, cam: map && map[pixel] / 255 };
  }
}

// Keep what the classifier said of an item.
export function addMaps(item, answer) {
  item.tags = answer.tags;
  for (const map of answer.maps) item.maps.set(map.id, map.map_png);
}

export async function thumbnail(source, side = 96) {
  const scale = side / Math.max(source.width, source.height);
  const canvas = newCanvas(Math.max(1, Math.round(source.width * scale)), Math.max(1, Math.round(source.height * scale)));
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// The photograph as the browser draws it, or as the server does where the browser cannot or turns it otherwise.
async function drawable(file, width, height) {
  try {
    const bitmap = await createImageBitmap(file);
    if (bitmap.width === width && bitmap.height === height) return bitmap;
  } catch {
    // A kind of file that this browser does not know, such as TIFF.
  }
  return createImageBitmap(await getPhoto(file));
}
