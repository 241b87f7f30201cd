// Grey PNGs of 16 bits: browsers show only 8 of them, so these are decoded here.
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

// {width, height, grey, values: Uint16Array} of a grey 16-bit PNG without interlace; null for any other.
export async function decodeGrey16(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes.length < 33 || SIGNATURE.some((value, i) => bytes[i] !== value)) return null;
  const view = new DataView(buffer);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, colour, interlace] = [bytes[24], bytes[25], bytes[28]];
  if (depth !== 16 || colour !== 0 || interlace !== 0 || width * height > 2 ** 26) return null;
  const parts = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    if (name === "IEND") break;
    at += 12 + length;
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  return { width, height, values: unfilter(raw, width, height), grey: true };
}

function unfilter(raw, width, height) {
  const stride = width * 2;
  if (raw.length < (stride + 1) * height) throw new Error("the image is cut off");
  const values = new Uint16Array(width * height);
  let above = new Uint8Array(stride);
  let row = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const at = y * (stride + 1);
    const kind = raw[at];
    for (let i = 0; i < stride; i++) {
      const left = i > 1 ? row[i - 2] : 0;
      const up = above[i];
      const corner = i > 1 ? above[i - 2] : 0;
      row[i] = raw[at + 1 + i] + predict(kind, left, up, corner);
    }
    for (let x = 0; x < width; x++) values[y * width + x] = (row[2 * x] << 8) | row[2 * x + 1];
    [above, row] = [row, above];
  }
  return values;
}

function predict(kind, left, up, corner) {
  if (kind === 0) return 0;
  if (kind === 1) return left;
  if (kind === 2) return up;
  if (kind === 3) return (left + up) >> 1;
  const guess = left + up - corner; // Paeth
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
