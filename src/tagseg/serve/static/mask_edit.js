// A mask that is drawn into: labels, and what undoes each stroke.

export class MaskEdit {
  constructor(labels, width, height) {
    Object.assign(this, { labels: labels.slice(), width, height, undone: [], before: null, box: null });
  }

  get isChanged() {
    return this.undone.length > 0;
  }

  begin() {
    this.before = this.labels.slice();
    this.box = null;
  }

  // A line of discs, from one place to another; what lies outside of the image is left out.
  line(from, to, { radius, id }) {
    const [dx, dy] = [to.column - from.column, to.row - from.row];
    const steps = Math.max(1, Math.ceil(Math.hypot(dx, dy) / Math.max(1, radius / 2)));
    for (let step = 0; step <= steps; step++) {
      this.disc(from.column + (dx * step) / steps, from.row + (dy * step) / steps, { radius, id });
    }
  }

  disc(x, y, { radius, id }) {
    const [first, last] = [Math.max(0, Math.ceil(y - radius)), Math.min(this.height - 1, Math.floor(y + radius))];
    for (let row = first; row <= last; row++) {
      const half = Math.sqrt(radius * radius - (row - y) * (row - y));
      const left = Math.max(0, Math.ceil(x - half));
      const right = Math.min(this.width - 1, Math.floor(x + half));
      if (left > right) continue;
      this.labels.fill(id, row * this.width + left, row * this.width + right + 1);
      this.grow(left, row);
      this.grow(right, row);
    }
  }

  // The whole region of a place.
  fill(regions, { column, row }, id) {
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return;
    const wanted = regions[row * this.width + column];
    for (let place = 0; place < regions.length; place++) {
      if (regions[place] !== wanted) continue;
      this.labels[place] = id;
      this.grow(place % this.width, Math.floor(place / this.width));
    }
  }

  end() {
    const { before, box } = this;
    this.before = null;
    if (!box) return;
    const rows = [];
    let isChanged = false;
    for (let row = box.top; row <= box.bottom; row++) {
      const [start, end] = [row * this.width + box.left, row * this.width + box.right + 1];
      rows.push(before.slice(start, end));
      isChanged ||= before.subarray(start, end).some((id, place) => id !== this.labels[start + place]);
    }
    if (isChanged) this.undone.push({ box, rows });
  }

  undo() {
    const { box, rows } = this.undone.pop();
    rows.forEach((row, place) => this.labels.set(row, (box.top + place) * this.width + box.left));
  }

  grow(column, row) {
    const box = (this.box ||= { left: column, right: column, top: row, bottom: row });
    box.left = Math.min(box.left, column);
    box.right = Math.max(box.right, column);
    box.top = Math.min(box.top, row);
    box.bottom = Math.max(box.bottom, row);
  }
}
