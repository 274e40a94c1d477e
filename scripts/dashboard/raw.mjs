// The doors, byte for byte and without a browser: paths that lead out, other names, bodies that
// never end, callers that are slow, watchers that never read.

import fs from 'node:fs'
import path from 'node:path'
import { Failed, holds, same, until, within } from './checks.mjs'
import { Node, RPC, request, startTracker } from './swarm.mjs'
import { drip, exchange, get, watcher } from './wire.mjs'

const SECRET = 'no page ever shows this line'
const AT_ONCE = 6 // of the door's 16 callers

export async function play (check, { stage }) {
  const tracker = await startTracker(stage, 'raw-tracker', ['--dashboard'])
  // A folder of Transmission's page is the only one that the door has files of.
  const site = stage.at('raw-site')
  fs.writeFileSync(path.join(site, 'index.html'), 'the page')
  fs.writeFileSync(stage.at() + '/secret.txt', SECRET)
  fs.writeFileSync(path.join(stage.at('raw', 'downloads'), 'secret.txt'), SECRET)
  const node = await Node.start(stage, 'raw', tracker.at, ['--web-home', site])
  const paths = traversals(stage.folder)

  await check('300 paths that lead out of the pages are no pages of the node', () => nothingAt(node.at, paths))
  await check('300 paths that lead out of the pages are no pages of the tracker', () => nothingAt(tracker.at, paths))
  await check('the page of the node is three files under 150 KiB that name nobody else', () => isSmall(node.url, ['', 'dashboard.css', 'dashboard.js']))
  await check('a peer that is run by hand serves the same page', () => byHand(stage, node, tracker))
  await check('the pages of the tracker are files that name nobody else', () =>
    isSmall(tracker.url, ['', 'style.css', 'tracker.js', 'swarm-view', 'swarm-view.js']))
  await check('the node is not spoken to by another name, on any path', () => namesAreChecked(node.at, ROUTES))
  await check('nor is the tracker, where it shows pages', () => namesAreChecked(tracker.at, SHOWN))
  await check('every answer of the node has its guards, and none speaks of CORS', () => isGuarded(node.at))
  await check('a body of a terabyte is refused before it comes', () => refusedAtOnce(node))
  await check('a body without end is cut off, and takes no memory', () => endless(node))
  await check('slow posts end, and shut nobody out meanwhile', () => slowPosts(node))
  await check('watchers that never read shut nobody out', () => slowWatchers(node))
  await check('nor do they at the tracker', () => slowWatchersOfTracker(tracker))
}

// 300 ways to name a file above a page's folder.
function traversals (folder) {
  const pages = ['/', '/transmission/web/', '/dashboard.js/', '/events/', '/swarm/']
  const ups = ['..', '%2e%2e', '.%2E', '%252e%252e', '\xc0\xae\xc0\xae', '%c0%ae%c0%ae', '..%00', '....']
  const slashes = ['/', '\\', '%2f', '%5c', '%252f', '%c0%af', '/./']
  const climbs = pages.flatMap((page) => ups.flatMap((up) => slashes.map((slash) =>
    page + (up + slash).repeat(8) + 'etc' + slash + 'passwd')))
  const others = [
    '//etc/passwd', '/%2fetc%2fpasswd', '/file:///etc/passwd', '/C:\\boot.ini', '/\\\\127.0.0.1\\share',
    '../../etc/passwd', '*', '/..', '/.', '/dashboard.js%00.html', '/dashboard.js/..%2fsecret.txt',
    '/dashboard.js/../dashboard.js', '/./dashboard.js', '//dashboard.js', '/DASHBOARD.JS', '/dashboard.html',
    '/secret.txt', '/downloads/secret.txt', `${folder}/secret.txt`, '/' + 'a/../'.repeat(1000) + 'etc/passwd'
  ]
  return [...climbs, ...others]
}

// Each of the paths is answered 400 or 404, and never with what a file holds.
async function nothingAt (at, paths) {
  same(paths.length, 300, 'the number of paths')
  const wrong = []
  const left = [...paths]
  const worker = async () => {
    for (let one = left.pop(); one !== undefined; one = left.pop()) {
      const { status, bytes } = await get(at, one)
      const shown = bytes.includes(SECRET) || bytes.includes('root:')
      if (![400, 404].includes(status) || shown) wrong.push(`${status} ${JSON.stringify(one.slice(0, 80))}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  holds(wrong.length === 0, `${wrong.length} were answered otherwise: ${wrong.slice(0, 5).join(', ')}`)
}

// What the browser loads: its size, and no address of others in it.
async function isSmall (url, files) {
  let size = 0
  for (const file of files) {
    const { status, headers, body } = await request(url + file)
    const kind = { '': 'text/html', css: 'text/css', js: 'javascript' }[file.includes('.') ? file.split('.').pop() : '']
    holds(status === 200 && headers['content-type']?.includes(kind), `/${file}: ${status} ${headers['content-type']}`)
    const others = body.match(/(?:https?:)?\/\/[a-z0-9-]+\.[a-z0-9.-]+[^\s"'`)]*/gi) ?? []
    // The name of a vocabulary is an address that nobody asks.
    same(others.filter((one) => !one.startsWith('http://www.w3.org/')), [], `what /${file} names`)
    size += Buffer.byteLength(body)
  }
  holds(size < 150 * 1024, `together they have ${size} bytes`)
}

async function byHand (stage, node, tracker) {
  const peer = stage.run('by-hand', 'peer', ['--seed', stage.file('by hand.bin', 50_000), '--web', '127.0.0.1:0', '--port', 0,
    '--bind', '127.0.0.1', '--tracker', tracker.at])
  const [, url] = await peer.says(/dashboard at (\S+)/)
  const [one, other] = [await request(url), await request(node.url)]
  same([one.status, one.body === other.body], [200, true], 'its page')
  await peer.stop()
}

const ROUTES = ['/', '/dashboard.js', '/dashboard.css', '/events', '/log', RPC, '/nothing']

// What a tracker shows; announces are answered by whatever name it is called.
const SHOWN = ['/', '/live', '/stats.json', '/metrics', '/swarm-view', '/swarm-view.js', '/tracker.js', '/style.css']

async function namesAreChecked (at, routes) {
  const port = at.split(':')[1]
  const names = ['evil.test', `evil.test:${port}`, `127.0.0.1.evil.test:${port}`, `localhost.evil.test:${port}`,
    `127.0.0.1:${port}@evil.test`, `127.0.0.1:${Number(port) + 1}`]
  for (const route of routes) {
    for (const name of names) {
      const answer = await exchange(at, `GET ${route} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`)
      const text = answer.bytes.toString('latin1')
      holds(text.startsWith('HTTP/1.1 421'), `${route} as ${name}: ${text.slice(0, 40)}`)
    }
    const both = await exchange(at, `GET ${route} HTTP/1.1\r\nHost: evil.test\r\nHost: ${at}\r\n\r\n`)
    holds(/^HTTP\/1.1 (400|421)/.test(both.bytes.toString()), `${route} with two hosts: ${both.bytes.toString().slice(0, 40)}`)
  }
}

async function isGuarded (at) {
  for (const route of ROUTES.filter((route) => !['/events', '/log'].includes(route))) {
    const { headers } = await request(`http://${at}${route}`, { headers: { 'Access-Control-Request-Method': 'POST' } })
    const policy = headers['content-security-policy'] ?? ''
    holds(/default-src 'self'/.test(policy) && !/unsafe|\*/.test(policy), `${route}: the policy is ${policy}`)
    same(headers['x-content-type-options'], 'nosniff', `X-Content-Type-Options of ${route}`)
    same(headers['x-frame-options'], 'DENY', `X-Frame-Options of ${route}`)
    const cors = Object.keys(headers).filter((name) => name.startsWith('access-control'))
    same(cors, [], `what ${route} says of CORS`)
  }
}

// The head of a post to the RPC, with the session id.
async function posting (node, fields) {
  await node.call('session-get', { fields: ['version'] }) // learns the session id
  return [`POST ${RPC} HTTP/1.1`, `Host: ${node.at}`, 'Content-Type: application/json',
    `X-Transmission-Session-Id: ${node.session}`, ...fields, '', ''].join('\r\n')
}

async function refusedAtOnce (node) {
  const head = await posting(node, ['Content-Length: 1000000000000'])
  const { how, bytes } = await exchange(node.at, head + '{"method":', 3)
  same([bytes.toString().slice(0, 12), how], ['HTTP/1.1 413', 'end'], 'the answer')
}

async function endless (node) {
  const before = memory(node)
  const head = await posting(node, ['Transfer-Encoding: chunked'])
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(1 << 20, 0x20), Buffer.from('\r\n')])
  const { bytes } = await exchange(node.at, Buffer.concat([Buffer.from(head), ...Array(64).fill(chunk)]), 10)
  // Whoever is cut off while it sends may lose the answer with the connection.
  const answer = bytes.toString().slice(0, 12)
  holds(['HTTP/1.1 413', ''].includes(answer), `64 MiB of a body were answered ${answer}`)
  const grown = memory(node) - before
  holds(grown < 48, `the node grew by ${grown} MiB`)
  await node.call('session-get', { fields: ['version'] })
}

// A process's memory in MiB.
const memory = (node) =>
  Number(fs.readFileSync(`/proc/${node.program.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024

async function slowPosts (node) {
  const head = await posting(node, ['Content-Length: 100000'])
  const half = head.slice(0, head.length / 2)
  const posts = [...Array(5).fill(head), ...Array(5).fill(half)].map((opening) => drip(node.at, opening, 200, 25))
  let over = false
  const all = Promise.all(posts).finally(() => { over = true })
  let calls = 0
  while (!over) {
    await within(2, 'the RPC beside ten slow posts', node.call('session-get', { fields: ['version'] }))
    calls += 1
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const ended = await all
  holds(ended.every((one) => one.ended), `${ended.filter((one) => !one.ended).length} of them were not ended in 25 s`)
  holds(calls > 10, `only ${calls} calls were answered meanwhile`)
}

// Twice as many as there may be: those too many are told so, and the RPC has places of its own.
async function slowWatchers (node) {
  const watchers = Array.from({ length: 32 }, (_, at) => watcher(node.at, at % 2 ? '/events' : '/log'))
  try {
    await until('somebody is told that there are too many watchers', 10, async () => {
      const { status, bytes } = await get(node.at, '/events')
      if (![200, 503].includes(status)) throw new Failed(`/events answers ${status}`)
      return status === 503 && bytes.includes('too many watchers')
    })
    for (let calls = 0; calls < 20; calls++) {
      await within(2, 'the RPC beside 32 watchers', node.call('torrent-get', { fields: ['name'] }))
    }
    const { status } = await within(2, 'the page beside 32 watchers', request(node.url))
    same(status, 200, 'the page beside 32 watchers')
  } finally {
    watchers.forEach((socket) => socket.destroy())
  }
  await until('there is a place for a watcher again', 15, async () => {
    const socket = watcher(node.at, '/events')
    try {
      return await new Promise((resolve) => {
        socket.once('data', (part) => resolve(part.includes('200 OK'))).once('close', () => resolve(false)).resume()
      })
    } finally {
      socket.destroy()
    }
  })
}

// More than a tracker has places for, while it is asked by others.
async function slowWatchersOfTracker ({ at, url }) {
  const watchers = Array.from({ length: 40 }, () => watcher(at, '/live'))
  try {
    await until('somebody is told that there are too many watchers', 10, async () => {
      const { status } = await get(at, '/live')
      return status === 503
    })
    const announce = 'announce?info_hash=%00%01%02%03%04%05%06%07%08%09%0a%0b%0c%0d%0e%0f%10%11%12%13' +
      '&peer_id=-XX0001-abcdefghijkl&port=7001&uploaded=0&downloaded=0&left=1&compact=1'
    for (let calls = 0; calls < 20; calls++) {
      const { status, body } = await within(2, 'an announce beside 40 watchers', request(url + announce))
      holds(status === 200 && body.includes('8:interval'), `an announce is answered ${status} ${body}`)
    }
    same((await within(2, 'the page beside 40 watchers', request(url))).status, 200, 'the page')
  } finally {
    watchers.forEach((socket) => socket.destroy())
  }
}
