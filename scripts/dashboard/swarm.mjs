// A tracker and nodes of ours on 127.0.0.1, and a node's RPC spoken without a browser.

import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { Failed, until } from './checks.mjs'

export const RPC = '/transmission/rpc'

// Starts a tracker; `at` is its address, `url` its page's.
export async function startTracker (stage, name, words, listen = '127.0.0.1:0') {
  const program = stage.run(name, 'tracker', ['--listen', listen, ...words])
  const [, at] = await program.says(/tracker listening on (\S+)/)
  return { program, at, url: `http://${at}/` }
}

// A daemon with a door for remote controls and pages.
export class Node {
  static async start (stage, name, tracker, words = []) {
    const node = new Node()
    node.stage = stage
    node.name = name
    node.downloads = stage.at(name, 'downloads')
    node.program = stage.run(name, 'peer', ['daemon', '--web', '127.0.0.1:0', '--port', 0, '--bind',
      '127.0.0.1', '--config-dir', stage.at(name, 'config'), '--download-dir', node.downloads,
      '--tracker', tracker, ...words])
    const [, at] = await node.program.says(/http:\/\/(127\.0\.0\.1:\d+)\//)
    const [, port] = await node.program.says(/peer listening on port (\d+)/)
    return Object.assign(node, { at, url: `http://${at}/`, port: Number(port), peer: `127.0.0.1:${port}` })
  }

  // A file of its downloads.
  path (name) {
    return path.join(this.downloads, name)
  }

  // The arguments of a successful answer.
  async call (method, given = {}) {
    for (let tries = 0; tries < 2; tries++) {
      const { status, headers, body } = await request(this.url + RPC.slice(1), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Transmission-Session-Id': this.session ?? '' },
        body: JSON.stringify({ method, arguments: given })
      })
      if (status === 409) {
        this.session = headers['x-transmission-session-id']
        continue
      }
      if (status !== 200) throw new Failed(`${method}: HTTP ${status}: ${body.slice(0, 200)}`)
      const answer = JSON.parse(body)
      if (answer.result !== 'success') throw new Failed(`${method}: ${answer.result}`)
      return answer.arguments
    }
    throw new Failed(`${method}: the session id is refused`)
  }

  // Takes up a .torrent file, or a magnet; the torrent's number.
  async add (what, more = {}) {
    const how = what.startsWith('magnet:') || !fs.existsSync(what)
      ? { filename: what }
      : { metainfo: fs.readFileSync(what).toString('base64') }
    const answer = await this.call('torrent-add', { ...how, ...more })
    return (answer['torrent-added'] ?? answer['torrent-duplicate']).id
  }

  async torrents (fields) {
    return (await this.call('torrent-get', { fields })).torrents
  }

  async torrent (id, fields) {
    return (await this.call('torrent-get', { ids: [id], fields })).torrents[0]
  }

  // Waits until a torrent's fields are so.
  async wait (id, what, seconds, fields, met) {
    return await until(`${this.name}: ${what}`, seconds, async () => {
      const row = await this.torrent(id, fields)
      return row && met(row) ? row : undefined
    }, async () => JSON.stringify(await this.torrent(id, [...fields, 'status', 'errorString', 'percentDone'])))
  }
}

// A .torrent of a file or folder; its path, and its facts as `peer show --json` has them.
export async function makeTorrent (stage, content, words = []) {
  const file = path.join(stage.at('torrents'), `${path.basename(content)}.torrent`)
  await stage.call('peer', ['create', content, '-o', file, '-q', ...words])
  const facts = JSON.parse(await stage.call('peer', ['show', file, '--json']))
  return { file, facts }
}

export const STOPPED = 0
export const DOWNLOADING = 4
export const SEEDING = 6

// One request of our own, without a browser; nothing is followed, nothing is kept open.
export function request (url, { method = 'GET', headers = {}, body = undefined, seconds = 15 } = {}) {
  return new Promise((resolve, reject) => {
    const asked = http.request(url, { method, headers, agent: false }, (answer) => {
      const parts = []
      answer.on('data', (part) => parts.push(part)).on('error', reject)
      answer.on('end', () => resolve({
        status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString()
      }))
    })
    asked.setTimeout(seconds * 1000, () => asked.destroy(new Error(`${url} did not answer in ${seconds} s`)))
    asked.on('error', reject).end(body)
  })
}
