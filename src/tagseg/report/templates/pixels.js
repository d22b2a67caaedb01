// Pictures to pixels and back. Grey PNGs carry numbers: round(255 * A) of a map, or label ids with 255 for void.

const VOID = 255;

// Stops of matplotlib's inferno, evenly spaced; colours between them are mixed.
const INFERNO = ["000004", "160b39", "420a68", "6a176e", "932667", "bc3754", "dd513a", "f37819", "fca50a", "f6d746", "fcffa4"];

function hexToRgb(hex) {
  const value = parseInt(hex.replace("#", ""), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

const CAM_COLORS = (() => {
  const stops = INFERNO.map(hexToRgb);
  return Array.from({ length: 256 }, (_, byte) => {
    const place = (byte / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    return stops[first].map((low, channel) => Math.round(low + (place - first) * (stops[first + 1][channel] - low)));
  });
})();

function toUrl(base64, type) {
  return `data:image/${type};base64,${base64}`;
}

async function decodeGrey(base64) {
  const picture = new Image();
  picture.src = toUrl(base64, "png");
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0);
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const grey = new Uint8Array(rgba.length / 4);
  for (let pixel = 0; pixel < grey.length; pixel++) grey[pixel] = rgba[4 * pixel];
  return grey;
}

// Each pixel's strongest class and its score; the lower label id of two equal ones, as CamFile.strongest does.
function strongest(maps, pixels) {
  const winner = new Uint8Array(pixels);
  const score = new Uint8Array(pixels);
  const ids = Object.keys(maps).map(Number).sort((a, b) => a - b);
  ids.forEach((label, position) => {
    const map = maps[label];
    for (let pixel = 0; pixel < pixels; pixel++) {
      if (position === 0 || map[pixel] > score[pixel]) {
        winner[pixel] = label;
        score[pixel] = map[pixel];
      }
    }
  });
  return { winner, score };
}

// The smallest byte whose map exceeds a background score, compared in float32 as tagseg does; 256 when none does.
function lowestByteAbove(backgroundScore) {
  const limit = Math.fround(backgroundScore);
  for (let byte = 0; byte < 256; byte++) if (Math.fround(byte / 255) > limit) return byte;
  return 256;
}

function seedLabels({ winner, score }, backgroundScore) {
  const lowest = lowestByteAbove(backgroundScore);
  const labels = new Uint8Array(winner.length);
  for (let pixel = 0; pixel < labels.length; pixel++) if (score[pixel] >= lowest) labels[pixel] = winner[pixel];
  return labels;
}

// Mean IoU of one picture over the labels in truth or prediction, background included, void left out; null if none.
function meanIou(truth, prediction) {
  const both = new Uint32Array(256);
  const inTruth = new Uint32Array(256);
  const inPrediction = new Uint32Array(256);
  for (let pixel = 0; pixel < truth.length; pixel++) {
    const label = truth[pixel];
    if (label === VOID) continue;
    inTruth[label]++;
    inPrediction[prediction[pixel]]++;
    if (label === prediction[pixel]) both[label]++;
  }
  let sum = 0;
  let count = 0;
  for (let label = 0; label < 256; label++) {
    const union = inTruth[label] + inPrediction[label] - both[label];
    if (union === 0) continue;
    sum += both[label] / union;
    count++;
  }
  return count ? sum / count : null;
}

function paint(canvas, [height, width], colorOf) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const picture = context.createImageData(width, height);
  const words = new Uint32Array(picture.data.buffer);
  for (let pixel = 0; pixel < words.length; pixel++) words[pixel] = colorOf(pixel);
  context.putImageData(picture, 0, 0);
}

// Canvas memory holds R, G, B, A in this order of bytes; every processor that browsers run on is little-endian.
function toWord([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

const CAM_WORDS = CAM_COLORS.map(toWord);

function paintCam(canvas, size, map) {
  paint(canvas, size, (pixel) => CAM_WORDS[map[pixel]]);
}

// Background stays transparent: the photo shows through.
function paintLabels(canvas, size, labels, palette) {
  const words = new Uint32Array(256);
  for (const [label, color] of Object.entries(palette)) words[label] = toWord(hexToRgb(color));
  paint(canvas, size, (pixel) => words[labels[pixel]]);
}

// Decodes an image's pictures once, when they are first asked for.
class Pictures {
  constructor(image) {
    this.image = image;
    this.size = image.size;
    this.pixels = image.size[0] * image.size[1];
    this.cams = {};
    this.strongest = {};
    this.labels = {};
  }

  load() {
    this.loading ??= this.#decode();
    return this.loading;
  }

  async #decode() {
    const jobs = [];
    for (const [kind, maps] of Object.entries(this.image.cams)) {
      this.cams[kind] = {};
      for (const [label, base64] of Object.entries(maps)) {
        jobs.push(decodeGrey(base64).then((map) => (this.cams[kind][label] = map)));
      }
    }
    for (const [name, base64] of Object.entries(this.image.labels)) {
      jobs.push(decodeGrey(base64).then((labels) => (this.labels[name] = labels)));
    }
    await Promise.all(jobs);
    for (const [kind, maps] of Object.entries(this.cams)) this.strongest[kind] = strongest(maps, this.pixels);
    this.ready = true;
  }

  seeds(kind, backgroundScore) {
    return this.strongest[kind] ? seedLabels(this.strongest[kind], backgroundScore) : null;
  }

  // The map of one class, or of the strongest class at each pixel.
  cam(kind, label) {
    return label ? this.cams[kind]?.[label] : this.strongest[kind]?.score;
  }
}
