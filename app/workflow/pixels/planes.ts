// Filters of one plane of numbers. Beyond its edges a plane goes on as its outermost values, or ends, as each says.
// Must never: know what the numbers mean.

/** A plane of width × (length / width) values. */
type Plane = Float32Array;

/** The mean of the values up to `radius` away in each direction, as far as the plane goes. */
export function boxMean(plane: Plane, width: number, radius: number): Plane {
  const height = plane.length / width;
  const across = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let sum = 0;
    for (let x = 0; x < Math.min(radius, width); x++) sum += plane[row + x]!;
    for (let x = 0; x < width; x++) {
      if (x + radius < width) sum += plane[row + x + radius]!;
      if (x > radius) sum -= plane[row + x - radius - 1]!;
      across[row + x] = sum / (Math.min(width - 1, x + radius) - Math.max(0, x - radius) + 1);
    }
  }
  const result = new Float32Array(plane.length);
  const sums = new Float64Array(width);
  const add = (y: number, sign: 1 | -1) => {
    for (let x = 0; x < width; x++) sums[x]! += sign * across[y * width + x]!;
  };
  for (let y = 0; y < Math.min(radius, height); y++) add(y, 1);
  for (let y = 0; y < height; y++) {
    if (y + radius < height) add(y + radius, 1);
    if (y > radius) add(y - radius - 1, -1);
    const count = Math.min(height - 1, y + radius) - Math.max(0, y - radius) + 1;
    for (let x = 0; x < width; x++) result[y * width + x] = sums[x]! / count;
  }
  return result;
}

/** Mean and variance within `radius`. */
export function localMoments(
  plane: Plane,
  width: number,
  radius: number,
): { readonly mean: Plane; readonly variance: Plane } {
  const mean = boxMean(plane, width, radius);
  const variance = boxMean(
    plane.map((value) => value * value),
    width,
    radius,
  );
  for (let i = 0; i < variance.length; i++) variance[i] = Math.max(0, variance[i]! - mean[i]! ** 2);
  return { mean, variance };
}

/**
 * The guided filter with the plane as its own guide (He, Sun, Tang 2010, "Guided Image Filtering"): where values vary much
 * less than `epsilon` they become their mean, where they vary much more, as at edges, they stay.
 * Depends on values up to twice the radius away.
 * @param epsilon a variance, above 0
 */
export function smoothKeepingEdges(plane: Plane, width: number, radius: number, epsilon: number): Plane {
  const { mean, variance } = localMoments(plane, width, radius);
  for (let i = 0; i < plane.length; i++) {
    const share = variance[i]! / (variance[i]! + epsilon);
    variance[i] = share;
    mean[i] = mean[i]! * (1 - share);
  }
  const shares = boxMean(variance, width, radius);
  const result = boxMean(mean, width, radius);
  for (let i = 0; i < plane.length; i++) result[i]! += shares[i]! * plane[i]!;
  return result;
}

/** How far {@link gaussian} looks. @param sigma in pixels */
export const gaussianReach = (sigma: number): number => Math.ceil(3 * sigma);

/** A Gaussian blur; the outermost values go on. @param sigma in pixels, above 0 */
export function gaussian(plane: Plane, width: number, sigma: number): Plane {
  const reach = gaussianReach(sigma);
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const height = plane.length / width;
  const across = new Float32Array(plane.length);
  const row = new Float32Array(width + 2 * reach);
  for (let y = 0; y < height; y++) {
    row.set(plane.subarray(y * width, (y + 1) * width), reach);
    row.fill(row[reach]!, 0, reach).fill(row[reach + width - 1]!, reach + width);
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k <= 2 * reach; k++) sum += weights[k]! * row[x + k]!;
      across[y * width + x] = sum / total;
    }
  }
  const result = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    for (let k = -reach; k <= reach; k++) {
      const from = Math.min(height - 1, Math.max(0, y + k)) * width;
      const weight = weights[k + reach]! / total;
      for (let x = 0; x < width; x++) result[y * width + x]! += weight * across[from + x]!;
    }
  }
  return result;
}
