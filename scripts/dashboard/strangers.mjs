// Strangers: torrents made by hand, a tracker that answers what it likes, peers of 60 lines.

import crypto from 'node:crypto'
import http from 'node:http'
import net from 'node:net'

// What strangers would have a page run, and a terminal do.
export const STRIKE = '<img src=x onerror="window.struck=1">'
export const ESCAPES = '\x1b]0;struck\x07\x1b[31m'

// Bencoding; keys are sorted by their bytes.
export function bencode (value) {
  if (typeof value === 'number') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') value = Buffer.from(value)
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  if (Array.isArray(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')])
  const keys = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return Buffer.concat([Buffer.from('d'), ...keys.flatMap((key) => [bencode(key), bencode(value[key])]), Buffer.from('e')])
}

const sha1 = (bytes) => crypto.createHash('sha1').update(bytes).digest()

// A v1 torrent of empty names and random hashes: nobody has its data.
export function torrent ({ name, files, pieceLength = 16384, announce }) {
  const total = files.reduce((sum, file) => sum + file.length, 0)
  const pieces = Math.ceil(total / pieceLength)
  const info = { name, files, 'piece length': pieceLength, pieces: crypto.randomBytes(20 * pieces) }
  return { bytes: bencode({ info, announce }), hash: sha1(bencode(info)), pieces }
}

// A tracker over HTTP that says the same to everybody.
export async function trackerThatSays (stage, answer) {
  const server = http.createServer((request, reply) => reply.end(bencode(answer)))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  stage.also(() => server.close())
  return `http://127.0.0.1:${server.address().port}/announce`
}

const CHOKE = 0
const INTERESTED = 2
const HAVE = 4
const BITFIELD = 5
const EXTENDED = 20

const message = (id, ...parts) => {
  const body = Buffer.concat([Buffer.from([id]), ...parts])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

// A BitTorrent peer that dials, says what it has, wants everything, and gives nothing.
export class Peer {
  constructor ({ port, hash, pieces, client, from = '127.0.0.1', has = () => false, id = Buffer.concat([Buffer.from('-XX0001-'), crypto.randomBytes(12)]) }) {
    this.pieces = pieces
    const bits = Buffer.alloc(Math.ceil(pieces / 8))
    for (let piece = 0; piece < pieces; piece++) if (has(piece)) bits[piece >> 3] |= 0x80 >> (piece & 7)
    const reserved = Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0])
    this.socket = net.connect({ port, host: '127.0.0.1', localAddress: from })
    this.socket.on('error', () => {}).on('close', () => { this.ended = true }).resume()
    this.ended = false
    this.heard = new Promise((resolve) => this.socket.once('data', resolve).once('close', resolve))
    this.socket.write(Buffer.concat([
      Buffer.from([19]), Buffer.from('BitTorrent protocol'), reserved, hash,
      id,
      message(EXTENDED, Buffer.from([0]), bencode({ m: {}, v: client })),
      message(BITFIELD, bits), message(CHOKE), message(INTERESTED)
    ]))
  }

  have (piece) {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(piece)
    this.socket.write(message(HAVE, number))
  }

  close () {
    this.socket.destroy()
  }
}
