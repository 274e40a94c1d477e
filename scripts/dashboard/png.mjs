// Pictures of pages made small: at most 256 colours, one byte a pixel (PNG, ISO 15948).

import zlib from 'node:zlib'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

// A screenshot (8 bits a channel, not interlaced) as another PNG, with the colours that are used
// most; every other colour becomes the nearest of them.
export function shrunk (bytes) {
  const { width, height, pixels } = read(bytes)
  const palette = chosen(pixels)
  const nearest = new Map(palette.map((colour, at) => [colour, at]))
  const rows = Buffer.alloc((width + 1) * height) // each row begins with its filter, none
  for (let at = 0; at < pixels.length; at++) {
    const colour = pixels[at]
    if (!nearest.has(colour)) nearest.set(colour, closest(palette, colour))
    rows[at + 1 + Math.floor(at / width)] = nearest.get(colour)
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 3, 0, 0, 0], 8) // 8 bits, by palette
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, colour >> 8 & 255, colour & 255]))
  return Buffer.concat([SIGNATURE, chunk('IHDR', head), chunk('PLTE', colours),
    chunk('IDAT', zlib.deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}

// Width, height, and each pixel's colour as 0xrrggbb.
function read (bytes) {
  const parts = []
  let head
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at)
    const type = bytes.toString('latin1', at + 4, at + 8)
    const data = bytes.subarray(at + 8, at + 8 + length)
    if (type === 'IHDR') head = data
    if (type === 'IDAT') parts.push(data)
    at += 12 + length
  }
  const [width, height, channels] = [head.readUInt32BE(0), head.readUInt32BE(4), head[9] === 6 ? 4 : 3]
  const raw = zlib.inflateSync(Buffer.concat(parts))
  const stride = width * channels
  const pixels = new Uint32Array(width * height)
  let above = Buffer.alloc(stride)
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1)
    const line = unfiltered(raw[from], raw.subarray(from + 1, from + 1 + stride), above, channels)
    for (let x = 0; x < width; x++) {
      const at = x * channels
      pixels[y * width + x] = line[at] << 16 | line[at + 1] << 8 | line[at + 2]
    }
    above = line
  }
  return { width, height, pixels }
}

function unfiltered (filter, line, above, step) {
  const out = Buffer.alloc(line.length)
  for (let at = 0; at < line.length; at++) {
    const left = at < step ? 0 : out[at - step]
    const up = above[at]
    const guess = [0, left, up, (left + up) >> 1, at < step ? up : paeth(left, up, above[at - step])][filter]
    out[at] = line[at] + guess
  }
  return out
}

function paeth (left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
  return a <= b && a <= c ? left : b <= c ? up : corner
}

// The colours that are used most, without those that are almost another of them.
function chosen (pixels) {
  const uses = new Map()
  for (const colour of pixels) uses.set(colour, (uses.get(colour) ?? 0) + 1)
  const all = [...uses].sort((one, other) => other[1] - one[1]).map(([colour]) => colour)
  if (all.length <= 256) return all
  const palette = []
  for (const colour of all) {
    if (palette.length === 256) break
    if (palette.every((other) => distance(colour, other) > 100)) palette.push(colour)
  }
  return palette
}

function closest (palette, colour) {
  let best = 0
  for (let at = 1; at < palette.length; at++) {
    if (distance(colour, palette[at]) < distance(colour, palette[best])) best = at
  }
  return best
}

const distance = (one, other) =>
  ((one >> 16) - (other >> 16)) ** 2 + ((one >> 8 & 255) - (other >> 8 & 255)) ** 2 + ((one & 255) - (other & 255)) ** 2

function chunk (type, data) {
  const body = Buffer.concat([Buffer.from(type), data])
  const out = Buffer.alloc(8)
  out.writeUInt32BE(data.length, 0)
  out.writeUInt32BE(crc(body), 4)
  return Buffer.concat([out.subarray(0, 4), body, out.subarray(4)])
}

function crc (bytes) {
  let sum = 0xffffffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? sum >>> 1 ^ 0xedb88320 : sum >>> 1
  }
  return (sum ^ 0xffffffff) >>> 0
}
