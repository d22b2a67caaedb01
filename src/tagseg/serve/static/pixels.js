// Pictures to pixels and back. Grey PNGs carry numbers in 256 steps; palette PNGs in VOC's colours carry label ids.

// Stops of matplotlib's inferno, evenly spaced; colours between them are mixed.
const INFERNO = [0x000004, 0x160b39, 0x420a68, 0x6a176e, 0x932667, 0xbc3754, 0xdd513a, 0xf37819, 0xfca50a, 0xf6d746, 0xfcffa4];

export const HEAT = Array.from({ length: 256 }, (_, step) => {
  const place = (step / 255) * (INFERNO.length - 1);
  const first = Math.min(Math.floor(place), INFERNO.length - 2);
  const [low, high] = [INFERNO[first], INFERNO[first + 1]].map((hex) => [hex >> 16, (hex >> 8) & 255, hex & 255]);
  return low.map((value, channel) => Math.round(value + (place - first) * (high[channel] - value)));
});

export function newCanvas(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas;
}

export async function decodeGrey(base64) {
  const { data, width, height } = await decode(base64);
  const grey = new Uint8Array(width * height);
  for (let pixel = 0; pixel < grey.length; pixel++) grey[pixel] = data[4 * pixel];
  return grey;
}

// The number of every pixel's region: red and green are its low and high byte.
export async function decodeRegions(base64) {
  const { data, width, height } = await decode(base64);
  return Uint16Array.from({ length: width * height }, (_, pixel) => data[4 * pixel] + 256 * data[4 * pixel + 1]);
}

// The label id of every pixel. Each colour of VOC's palette belongs to one id.
export async function decodeLabels(base64, palette) {
  const { data, width, height } = await decode(base64);
  const ids = new Map(palette.map(([red, green, blue], id) => [(red << 16) | (green << 8) | blue, id]));
  const labels = new Uint8Array(width * height);
  for (let pixel = 0; pixel < labels.length; pixel++) {
    const place = 4 * pixel;
    labels[pixel] = ids.get((data[place] << 16) | (data[place + 1] << 8) | data[place + 2]);
  }
  return labels;
}

async function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" });
  const context = newCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, context.canvas.width, context.canvas.height);
}

// Each pixel's strongest map and its step; of two equal ones the lower label id, as CamFile.strongest says.
export function strongest(maps, size) {
  const winner = new Uint8Array(size);
  const score = new Uint8Array(size);
  const ids = [...maps.keys()].sort((a, b) => a - b);
  ids.forEach((id, position) => {
    const map = maps.get(id);
    for (let pixel = 0; pixel < size; pixel++) {
      if (position === 0 || map[pixel] > score[pixel]) {
        winner[pixel] = id;
        score[pixel] = map[pixel];
      }
    }
  });
  return { winner, score };
}

// Labels above a background score, compared in float32 as CamFile.labels does.
export function cutLabels({ winner, score }, backgroundScore) {
  const limit = Math.fround(backgroundScore);
  const isAbove = Array.from({ length: 256 }, (_, step) => Math.fround(step / 255) > limit);
  return winner.map((id, pixel) => (isAbove[score[pixel]] ? id : 0));
}

// Pixels and mean score of each label that occurs.
export function areasOf(labels, score) {
  const pixels = new Float64Array(256);
  const sums = new Float64Array(256);
  for (let pixel = 0; pixel < labels.length; pixel++) {
    pixels[labels[pixel]]++;
    sums[labels[pixel]] += score[pixel];
  }
  return [...pixels.keys()]
    .filter((id) => pixels[id])
    .map((id) => ({ id, share: pixels[id] / labels.length, meanScore: sums[id] / pixels[id] / 255 }));
}

// A canvas of `values` in `colors`; values for which `isClear` holds stay transparent. Every `step`-th pixel is taken.
export function paint(values, { width, height, step, colors, isClear }) {
  const canvas = newCanvas(Math.ceil(width / step), Math.ceil(height / step));
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const words = new Uint32Array(picture.data.buffer);
  // One 32-bit word a pixel, in the byte order of all machines that run a browser.
  const table = Uint32Array.from(colors, ([red, green, blue], value) =>
    isClear(value) ? 0 : (255 << 24) | (blue << 16) | (green << 8) | red,
  );
  let place = 0;
  for (let row = 0; row < height; row += step) {
    for (let column = 0; column < width; column += step) words[place++] = table[values[row * width + column]];
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}
