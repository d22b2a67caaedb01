// Files that the page makes itself: palette PNGs, ZIP archives.

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

// An 8-bit palette PNG whose pixels are label ids.
export async function encodeMask(labels, { width, height, colors }) {
  const rows = new Uint8Array((width + 1) * height); // each row begins with its filter, 0 for none
  for (let row = 0; row < height; row++) rows.set(labels.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 3], 8); // bits, palette
  const palette = Uint8Array.from(colors.flat());
  const parts = [["IHDR", header], ["PLTE", palette], ["IDAT", data], ["IEND", new Uint8Array()]];
  return new Blob([Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), ...parts.map(chunk)], { type: "image/png" });
}

function chunk([name, data]) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

// A ZIP archive that stores its files as they are: PNGs are packed already.
export async function zip(files) {
  const [bodies, entries] = [[], []];
  let offset = 0;
  for (const { name, blob } of files) {
    const [title, data] = [new TextEncoder().encode(name), new Uint8Array(await blob.arrayBuffer())];
    const fields = new Uint8Array(26);
    const view = new DataView(fields.buffer);
    view.setUint16(0, 20, true); // version 2.0
    view.setUint16(2, 0x0800, true); // names in UTF-8
    view.setUint16(8, 0x21, true); // 1 January 1980: no clock in a result
    view.setUint32(10, crc32(data), true);
    view.setUint32(14, data.length, true);
    view.setUint32(18, data.length, true);
    view.setUint16(22, title.length, true);
    bodies.push(Uint8Array.of(80, 75, 3, 4), fields, title, data);
    const place = new Uint8Array(14);
    new DataView(place.buffer).setUint32(10, offset, true);
    entries.push(Uint8Array.of(80, 75, 1, 2, 20, 0), fields, place, title);
    offset += 30 + title.length + data.length;
  }
  const length = entries.reduce((sum, part) => sum + part.length, 0);
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  end.set([80, 75, 5, 6]);
  view.setUint16(8, files.length, true);
  view.setUint16(10, files.length, true);
  view.setUint32(12, length, true);
  view.setUint32(16, offset, true);
  return new Blob([...bodies, ...entries, end], { type: "application/zip" });
}

// Names without ending, and with it where two would be equal.
export function maskNames(names) {
  const bare = names.map((name) => name.replace(/\.[^.]*$/, "") || name);
  const used = new Map();
  return bare.map((name, place) => {
    let chosen = bare.indexOf(name) === bare.lastIndexOf(name) ? name : names[place];
    const count = (used.get(chosen) || 0) + 1;
    used.set(chosen, count);
    if (count > 1) chosen = `${chosen} (${count})`;
    return `${chosen}.png`;
  });
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
