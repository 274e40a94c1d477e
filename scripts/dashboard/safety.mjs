// What web pages of others try from a browser on the same machine, and what strangers put into
// names: nothing is read, nothing is changed, nothing runs.

import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { holds, same, until } from './checks.mjs'
import { EVIL, OTHER } from './chromium.mjs'
import { ESCAPES, Peer, STRIKE, torrent, trackerThatSays } from './strangers.mjs'
import { NodePage } from './nodepage.mjs'
import { DOWNLOADING, makeTorrent, Node, RPC, SEEDING, startTracker } from './swarm.mjs'

export async function play (check, { stage, browser }) {
  const tracker = await startTracker(stage, 'safety-tracker', ['--dashboard'])
  const node = await Node.start(stage, 'safety', tracker.at, ['--log-level', 'debug'])
  const content = stage.file('guarded.bin', 100_000, node.downloads)
  const id = await node.add((await makeTorrent(stage, content)).file)
  await node.wait(id, 'it seeds', 20, ['status'], (row) => row.status === SEEDING)
  await check('a name that leads to the node reads nothing (DNS rebinding)', () => rebinding(browser, node.at, {
    paths: ['/', '/events', '/log', '/dashboard.js', RPC], methods: ['GET', 'POST'], stream: '/events'
  }))
  await check('a name that leads to the tracker reads nothing', () => rebinding(browser, tracker.at, {
    paths: ['/', '/live', '/stats.json', '/metrics', '/swarm-view', '/tracker.js'], methods: ['GET'], stream: '/live'
  }))
  await check('a page of others reads nothing and changes nothing', () => crossSite(browser, node, stage))
  await check('a page of others that is let in by nobody would have succeeded', () => control(browser, stage))
  await strangers(check, { stage, browser, tracker, node })
}

// The page at evil.test:PORT is this machine's node, or tracker, and of one origin by the browser's
// rules.
async function rebinding (browser, at, { paths, methods, stream }) {
  const url = `http://${EVIL}:${at.split(':')[1]}/`
  const tab = await browser.open(url, { free: true })
  same(tab.answer.status(), 421, 'the status of the page')
  const read = await tab.page.evaluate(async ({ paths, methods }) => {
    const got = []
    for (const path of paths) {
      for (const method of methods) {
        const answer = await fetch(path, { method, body: method === 'POST' ? '{"method":"session-get"}' : undefined })
        got.push([path, method, answer.status, [...answer.headers.keys()].includes('x-transmission-session-id')])
      }
    }
    return got
  }, { paths, methods })
  same(read.filter(([, , status, session]) => status !== 421 || session), [], 'what was read')
  same(await tab.page.evaluate(heard, stream), 'nothing', `what came of ${stream}`)
  await tab.close()
}

// In the page: what an EventSource hears within a moment.
function heard (url) {
  return new Promise((resolve) => {
    const source = new EventSource(url)
    const done = (what) => { source.close(); resolve(what) }
    source.onopen = () => done('it opened')
    for (const name of ['hello', 'state', 'history', 'message']) source.addEventListener(name, (event) => done(event.data))
    source.onerror = () => done('nothing')
  })
}

// In the page: everything that a page can try without being trusted, and what it could read.
async function attack ({ target, rpc, stop }) {
  const read = []
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const settle = (promise) => Promise.race([promise, pause(3000).then(() => 'silence')])
  const loaded = (element, address) => settle(new Promise((resolve) => {
    element.onload = () => resolve('loaded')
    element.onerror = () => resolve('error')
    if (address) element.src = address
    document.body.append(element)
  }))
  for (const path of ['/', '/events', '/log', rpc]) {
    for (const options of [{}, { mode: 'no-cors' }, { credentials: 'include' }]) {
      const ending = new AbortController()
      const text = fetch(target + path, { ...options, signal: ending.signal })
        .then((answer) => answer.type === 'opaque' ? '' : answer.text()).catch(() => '')
      const got = await Promise.race([text, pause(1500).then(() => '')])
      ending.abort()
      if (got) read.push(`fetch ${path}: ${got.slice(0, 60)}`)
    }
  }
  const simple = { method: 'POST', mode: 'no-cors', body: stop }
  await settle(fetch(target + rpc, { ...simple, headers: { 'Content-Type': 'text/plain' } }).catch(() => {}))
  await settle(fetch(target + rpc, {
    method: 'POST', body: stop, headers: { 'Content-Type': 'application/json', 'X-Transmission-Session-Id': 'guessed' }
  }).then(async (answer) => read.push(`preflight: ${await answer.text()}`)).catch(() => {}))
  navigator.sendBeacon(target + rpc, stop)
  await loaded(new Image(), `${target}${rpc}?method=torrent-stop`)
  const script = document.createElement('script')
  await loaded(script, target + '/events')
  const frame = document.createElement('iframe')
  frame.name = 'frame'
  await loaded(frame, target + '/')
  try {
    if (frame.contentDocument?.body.textContent) read.push(`iframe: ${frame.contentDocument.body.textContent.slice(0, 60)}`)
  } catch {}
  // The form's one field makes the body JSON: {"method":"torrent-stop", .. "x":"="}
  const form = document.createElement('form')
  Object.assign(form, { method: 'POST', action: target + rpc, enctype: 'text/plain', target: 'frame' })
  const field = document.createElement('input')
  Object.assign(field, { name: stop.slice(0, -1) + ',"x":"', value: '"}' })
  form.append(field)
  document.body.append(form)
  const answered = loaded(frame)
  form.submit()
  await answered
  for (const path of ['/events', '/log']) {
    const heard = await settle(new Promise((resolve) => {
      const source = new EventSource(target + path)
      source.onopen = () => { source.close(); resolve('opened') }
      source.onerror = () => { source.close(); resolve('nothing') }
    }))
    if (heard === 'opened') read.push(`EventSource ${path}`)
  }
  return read
}

// What a node holds that a page of others could have changed.
const facts = async (node) => JSON.stringify([
  await node.torrents(['id', 'name', 'hashString', 'status', 'downloadLimited', 'labels']),
  await node.call('session-get', { fields: ['speed-limit-down-enabled', 'download-dir', 'alt-speed-enabled'] })
])

const STOP = JSON.stringify({ method: 'torrent-stop', arguments: {} })

async function crossSite (browser, node, stage) {
  const page = await blank(stage)
  const before = await facts(node)
  for (const [host, status] of [['127.0.0.1', 403], ['localhost', 403], [EVIL, 421]]) {
    const said = node.program.said().length
    const tab = await browser.open(`http://${OTHER}:${page.port}/`, { free: true })
    const target = `http://${host}:${node.at.split(':')[1]}`
    const read = await tab.page.evaluate(attack, { target, rpc: RPC, stop: STOP })
    same(read, [], `what a page of ${OTHER} read from ${target}`)
    await tab.close()
    // It was the node that refused, not the browser that never asked.
    const refused = node.program.said().slice(said).match(new RegExp(`Post ${status}`, 'g')) ?? []
    holds(refused.length >= 3, `the node refused only ${refused.length} posts by ${host} with ${status}`)
  }
  same(await facts(node), before, 'the torrents and settings')
}

// The same page against a server without guards: it does send, and does read.
async function control (browser, stage) {
  const page = await blank(stage)
  const heard = []
  const open = http.createServer((request, reply) => {
    const parts = []
    request.on('data', (part) => parts.push(part)).on('end', () => {
      heard.push(`${request.method} ${request.url} ${Buffer.concat(parts)}`)
      const isStream = ['/events', '/log'].includes(request.url)
      reply.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*')
      reply.setHeader('Access-Control-Allow-Headers', 'content-type, x-transmission-session-id')
      reply.setHeader('Access-Control-Allow-Credentials', 'true')
      reply.setHeader('Content-Type', isStream ? 'text/event-stream' : 'text/html')
      reply.end(isStream ? 'data: {}\n\n' : 'read me')
    })
  })
  await new Promise((resolve) => open.listen(0, '127.0.0.1', resolve))
  stage.also(() => open.close())
  const tab = await browser.open(`http://${OTHER}:${page.port}/`, { free: true })
  const target = `http://127.0.0.1:${open.address().port}`
  const read = await tab.page.evaluate(attack, { target, rpc: RPC, stop: STOP })
  holds(read.some((line) => line.startsWith('fetch /:')) && read.some((line) => line.startsWith('EventSource')), `it read only ${read}`)
  const posts = heard.filter((line) => line.startsWith(`POST ${RPC}`) && line.includes('torrent-stop'))
  holds(posts.length >= 4, `it posted only ${posts.length} times: ${posts}`)
  await tab.close()
}

// A server of an empty page, for those who are called otherwise.
async function blank (stage) {
  const server = http.createServer((request, reply) => {
    reply.setHeader('Content-Type', 'text/html')
    reply.end('<!doctype html><title>another page</title><body>')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  stage.also(() => server.close())
  return server.address()
}

const ESC = String.fromCharCode(27)

// Names, file names, a tracker's words, a peer's id: all are text, on both pages.
async function strangers (check, { stage, browser, tracker, node }) {
  const refusal = await trackerThatSays(stage, { 'failure reason': `${STRIKE}${ESCAPES}the tracker` })
  const made = torrent({
    name: `${STRIKE}${ESCAPES}torrent`,
    files: [{ length: 40_000, path: [`${STRIKE}${ESCAPES}one`] }, { length: 40_000, path: ['"><svg onload="window.struck=2">'] }],
    announce: refusal
  })
  const file = path.join(stage.at('torrents'), 'strange.torrent')
  fs.writeFileSync(file, made.bytes)
  const id = await node.add(file)
  await node.wait(id, 'it takes callers', 10, ['status'], (row) => row.status === DOWNLOADING)
  const peer = new Peer({
    port: node.port, hash: made.hash, pieces: made.pieces, client: `${STRIKE}${ESCAPES}`,
    id: Buffer.from(`<img src=x>${ESCAPES}`.slice(0, 20).padEnd(20, '>')), has: () => true
  })
  stage.also(() => peer.close())
  await node.wait(id, 'the stranger is connected', 10, ['peersConnected'], (row) => row.peersConnected === 1)
  await check('what strangers write is text on the page of the node', () => textOnNode(browser, node, id))

  const shared = stage.file(`${STRIKE}.bin`, 50_000, node.downloads)
  const own = await makeTorrent(stage, shared, ['-t', tracker.at])
  const served = await node.add(own.file)
  await node.wait(served, 'it is served', 10, ['status'], (row) => row.status === SEEDING)
  await check('what strangers write is text on the pages of the tracker', () =>
    textOnTracker(browser, stage, tracker, own.facts.info_hash_v2))
}

// No script ran, no element was made, and the words are there to be read.
async function isText (tab, words) {
  await tab.until(`the page shows ${words}`, 10, (words) => document.body.textContent.includes(words), words)
  const struck = await tab.page.evaluate(() => ({
    ran: window.struck ?? null,
    made: [...document.querySelectorAll('img, script:not([src]), [onerror], [onload]')].map((one) => one.outerHTML)
  }))
  same(struck, { ran: null, made: [] }, 'what came of it')
  same(tab.dialogs, [], 'the dialogs')
  const escapes = await tab.page.evaluate((esc) => document.body.textContent.includes(esc), ESC)
  holds(!escapes, 'an escape sequence is on the page as it came')
  tab.clean()
}

async function textOnNode (browser, node, id) {
  const view = await NodePage.open(browser, node)
  await view.choose(id)
  await isText(view.tab, STRIKE)
  for (const [panel, words] of [['files', '"><svg onload="window.struck=2">'], ['trackers', 'the tracker'], ['peers', 'img'],
    ['choking', ''], ['log', ''], ['graphs', ''], ['pieces', '']]) {
    await view.panel(panel)
    await isText(view.tab, words)
  }
  await view.states(1)
  await view.page.click('#remove-open')
  await isText(view.tab, STRIKE)
  holds(!node.program.said().includes(ESC), 'the log of the node has an escape sequence')
  await view.tab.close()
}

async function textOnTracker (browser, stage, tracker, hash) {
  await until('the tracker has it', 10, async () => (await stage.call('peer', ['list', '--tracker', tracker.at])).includes('img src'))
  for (const path of ['', `swarm/${hash}`, `swarm-view#${hash}`]) {
    const tab = await browser.open(tracker.url + path)
    await isText(tab, STRIKE)
    await tab.close()
  }
}
