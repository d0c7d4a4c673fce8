// Justified rows: photos of many shapes side by side, each row as wide as the grid, all at their own proportions.
//
// Owns: where every photo lies, for a hundred thousand of them in a few milliseconds: plain arrays of numbers, no objects.
// Must never: know of React, or of what a photo shows.

export interface Shapes {
  /** Width / height × 1000 of every photo, in order. Clamped to 0.3–6, so that no cell is too thin to be seen. */
  readonly ratios: ArrayLike<number>;
  /** First photo of each section, ascending; sections begin a new row below their heading. */
  readonly headings: readonly number[];
}
export interface Measures {
  /** Of the grid, in pixels; at least 1. */
  readonly width: number;
  /** What rows should be high, in pixels; they are somewhat more or less. */
  readonly rowHeight: number;
  /** Between photos and between rows, in pixels. */
  readonly gap: number;
  readonly headingHeight: number;
}

/** Rows from top to bottom, headings among them; and every photo's place in its row. All in whole pixels. */
export interface Rows {
  readonly count: number;
  readonly height: number;
  readonly gap: number;
  readonly top: Float64Array;
  readonly rowHeight: Uint16Array;
  /** First photo of a row; a heading has that of its section, and no photos. */
  readonly first: Uint32Array;
  readonly photos: Uint16Array;
  /** Which heading a row is; −1: photos. */
  readonly heading: Int32Array;
  /** By photo. */
  readonly row: Uint32Array;
  readonly left: Uint16Array;
  readonly width: Uint16Array;
}
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Browsers cannot scroll through much more than 33 million pixels. */
const HIGHEST = 30_000_000;
const THINNEST = 300;
const WIDEST = 6000;
/** The last row of a section is stretched to the full width if that makes it no higher than this times the wish. */
const STRETCH = 1.3;

/** Lays photos out. Rows are lower than wished where the whole would be too high for a browser. */
export function justify(shapes: Shapes, measures: Measures): Rows {
  let wish = measures.rowHeight;
  for (;;) {
    const rows = layOut(shapes, { ...measures, rowHeight: wish });
    if (rows.height <= HIGHEST || wish <= 8) return rows;
    // Half as high means a quarter of the whole: rows hold twice as many photos then.
    wish = Math.max(8, Math.floor(wish * Math.sqrt(HIGHEST / rows.height) * 0.98));
  }
}

function layOut({ ratios, headings }: Shapes, { width, rowHeight, gap, headingHeight }: Measures): Rows {
  const photos = ratios.length;
  const most = photos + headings.length;
  const rows = {
    top: new Float64Array(most),
    rowHeight: new Uint16Array(most),
    first: new Uint32Array(most),
    photos: new Uint16Array(most),
    heading: new Int32Array(most).fill(-1),
  };
  const row = new Uint32Array(photos);
  const left = new Uint16Array(photos);
  const widths = new Uint16Array(photos);
  let count = 0;
  let y = 0;

  function addRow(first: number, end: number, sum: number, isLast: boolean): void {
    const free = Math.max(1, width - gap * (end - first - 1));
    const full = free / sum;
    const isFull = !isLast || full <= rowHeight * STRETCH;
    const exact = isFull ? full : rowHeight;
    const high = Math.max(1, Math.round(exact));
    let before = 0;
    for (let photo = first; photo < end; photo++) {
      const x = Math.round(before * exact) + gap * (photo - first);
      before += ratioOf(ratios, photo);
      const right = isFull && photo === end - 1 ? width : Math.round(before * exact) + gap * (photo - first);
      row[photo] = count;
      left[photo] = x;
      widths[photo] = Math.max(1, right - x);
    }
    rows.top[count] = y;
    rows.rowHeight[count] = high;
    rows.first[count] = first;
    rows.photos[count] = end - first;
    count++;
    y += high + gap;
  }

  function addSection(start: number, end: number): void {
    let first = start;
    let sum = 0;
    for (let photo = start; photo < end; photo++) {
      const ratio = ratioOf(ratios, photo);
      const height = (width - gap * (photo - first)) / (sum + ratio);
      if (height > rowHeight) {
        sum += ratio;
        continue;
      }
      // It is full with this photo, or was without it: whichever comes nearer to the wish.
      const without = photo === first ? Number.POSITIVE_INFINITY : (width - gap * (photo - first - 1)) / sum;
      if (without / rowHeight < rowHeight / height) {
        addRow(first, photo, sum, false);
        first = photo;
        sum = ratio;
        if (width / ratio <= rowHeight) {
          addRow(first, photo + 1, sum, false);
          first = photo + 1;
          sum = 0;
        }
      } else {
        addRow(first, photo + 1, sum + ratio, false);
        first = photo + 1;
        sum = 0;
      }
    }
    if (first < end) addRow(first, end, sum, true);
  }

  if ((headings[0] ?? photos) > 0) addSection(0, headings[0] ?? photos);
  headings.forEach((start, index) => {
    rows.top[count] = y;
    rows.rowHeight[count] = headingHeight;
    rows.first[count] = start;
    rows.heading[count] = index;
    count++;
    y += headingHeight;
    addSection(start, headings[index + 1] ?? photos);
  });
  return {
    count,
    height: Math.max(0, y),
    gap,
    top: rows.top.subarray(0, count),
    rowHeight: rows.rowHeight.subarray(0, count),
    first: rows.first.subarray(0, count),
    photos: rows.photos.subarray(0, count),
    heading: rows.heading.subarray(0, count),
    row,
    left,
    width: widths,
  };
}

const ratioOf = (ratios: ArrayLike<number>, photo: number): number =>
  Math.min(WIDEST, Math.max(THINNEST, ratios[photo] ?? 1000)) / 1000;

/** Where a photo lies. */
export function boxOf(rows: Rows, photo: number): Box {
  const row = rows.row[photo] ?? 0;
  return {
    left: rows.left[photo] ?? 0,
    top: rows.top[row] ?? 0,
    width: rows.width[photo] ?? 0,
    height: rows.rowHeight[row] ?? 0,
  };
}

/** The row at a height: the last one that begins at or above it. @param y pixels from the top */
export function rowAt(rows: Rows, y: number): number {
  let low = 0;
  let high = rows.count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((rows.top[middle] ?? 0) <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The photo above or below another one, or itself at the border. @param steps rows of photos down; negative: up */
export function photoBeside(rows: Rows, photo: number, steps: number): number {
  const step = Math.sign(steps);
  const start = rows.row[photo] ?? 0;
  let target = start;
  let left = Math.abs(steps);
  for (let row = start + step; left > 0 && row >= 0 && row < rows.count; row += step) {
    if (rows.heading[row] !== -1) continue;
    target = row;
    left--;
  }
  if (target === start) return photo;
  const centre = (rows.left[photo] ?? 0) + (rows.width[photo] ?? 0) / 2;
  const first = rows.first[target] ?? 0;
  let best = first;
  for (let one = first; one < first + (rows.photos[target] ?? 0); one++) {
    if ((rows.left[one] ?? 0) <= centre) best = one;
  }
  return best;
}

/** Photos that a rectangle touches, in order. */
export function photosIn(rows: Rows, { left, top, width, height }: Box): number[] {
  const found: number[] = [];
  for (let row = rowAt(rows, top); row < rows.count && (rows.top[row] ?? 0) <= top + height; row++) {
    if ((rows.top[row] ?? 0) + (rows.rowHeight[row] ?? 0) < top) continue;
    const first = rows.first[row] ?? 0;
    for (let photo = first; photo < first + (rows.photos[row] ?? 0); photo++) {
      const x = rows.left[photo] ?? 0;
      if (x <= left + width && x + (rows.width[photo] ?? 0) >= left) found.push(photo);
    }
  }
  return found;
}
