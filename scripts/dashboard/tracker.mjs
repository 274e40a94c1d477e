// The tracker's pages: live swarms and heartbeats, a hierarchy's caches, the whole swarm as it is,
// and as traces tell that it was.

import fs from 'node:fs'
import { holds, same, until } from './checks.mjs'
import { Node, SEEDING, makeTorrent, startTracker } from './swarm.mjs'
import { exhibition } from './views.mjs'

export async function play (check, { stage, browser }) {
  await check('a swarm appears on the open page, and heartbeats as they come', () => livens(browser, stage))
  await check('without scripts the page shows the same swarm', () => plain(browser, stage))
  const hierarchy = await startHierarchy(stage)
  await check('a resolver shows its cache, and how long it holds', () => caches(browser, hierarchy))
  const show = await exhibition(stage, 'swarm')
  await check('the whole swarm: every peer, and who serves whom', () => wholeSwarm(browser, show))
  await check('traces are replayed: on, back, by step and by speed', () => replays(browser, show))
  const hash = show.made.facts.info_hash_v2
  const pages = {
    'the list of swarms': () => seen(browser, show.tracker.url, 'tracker', '#contents tbody tr'),
    'a resolver': () => seen(browser, hierarchy.resolver.url, 'tracker-resolver', '#cache td:text-matches("^\\\\d+ s$")'),
    'one swarm': () => seen(browser, `${show.tracker.url}swarm/${hash}`, 'tracker-swarm', 'table tr'),
    'the whole swarm, drawn and replayed': () => drawings(browser, show)
  }
  for (const [page, look] of Object.entries(pages)) {
    await check(`${page}: fits a desk and a phone, and is accessible, light and dark`, look)
  }
}

const row = (page, name) => page.locator('#contents tbody tr', { hasText: name })

let lively // the tracker and the node of the first check, for the second

async function livens (browser, stage) {
  const tracker = await startTracker(stage, 'live-tracker', ['--dashboard', '--keepalive', '1s'])
  const tab = await browser.open(tracker.url)
  await tab.page.evaluate(() => { window.opened = 'once' })
  const node = await Node.start(stage, 'live', tracker.at)
  const { file } = await makeTorrent(stage, stage.file('slides.pdf', 300_000, node.downloads), ['-t', tracker.at])
  const id = await node.add(file)
  await node.wait(id, 'it seeds', 10, ['status'], (torrent) => torrent.status === SEEDING)
  await row(tab.page, 'slides.pdf').waitFor()
  const beats = () => tab.page.evaluate(() => document.querySelector('#beats').textContent)
  await until('a heartbeat is shown', 10, async () => (await beats()).includes(node.peer), beats)
  const first = await beats()
  await until('another heartbeat comes', 10, async () => await beats() !== first, beats)
  same(await tab.page.evaluate(() => window.opened), 'once', 'whether the page was loaded anew')
  tab.clean()
  await tab.close()
  lively = { tracker, node }
}

async function plain (browser) {
  const tab = await browser.open(lively.tracker.url, { script: false })
  await tab.page.getByText('slides.pdf').first().waitFor()
  await tab.page.getByText('slides.pdf').first().click()
  await tab.page.getByText(lively.node.peer).first().waitFor()
  await tab.close()
}

// A root, an authority for everything that is shared here, and a resolver.
async function startHierarchy (stage) {
  const folder = stage.at('hierarchy', 'downloads')
  const { file, facts } = await makeTorrent(stage, stage.file('zoned.bin', 100_000, folder))
  const hash = facts.info_hash_v2
  const authority = await startTracker(stage, 'authority', ['--zone', hash[0]], '127.0.0.21:0')
  const root = await startTracker(stage, 'root', ['--delegate', `${hash[0]}=${authority.at}`], '127.0.0.10:0')
  const resolver = await startTracker(stage, 'resolver', ['--resolver', '--dashboard', '--delegate', `.=${root.at}`], '127.0.0.53:0')
  stage.run('zoned-seeder', 'peer', ['--seed', file, '--download-dir', folder, '--bind', '127.0.0.1', '--port', 0, '--tracker', authority.at])
  const dig = () => stage.call('tracker', ['dig', hash, `@${resolver.at}`])
  await until('the seeder has registered', 15, async () => (await stage.call('tracker', ['dig', hash, `@${authority.at}`])).includes('127.0.0.1:'))
  await until('the resolver answers', 15, async () => (await dig()).includes('127.0.0.1:'))
  return { resolver, hash }
}

async function caches (browser, { resolver, hash }) {
  const tab = await browser.open(resolver.url)
  const shown = () => tab.page.evaluate(() => document.querySelector('#hierarchy').textContent)
  await until('the cache has the answer', 10, async () => (await shown()).includes(hash.slice(0, 8)), shown)
  const left = async () => {
    const line = tab.page.locator('#hierarchy tr', { hasText: hash.slice(0, 8) }).first()
    return (await line.textContent()).match(/\d+(\.\d+)? ?s/g)?.join(' ')
  }
  const first = await until('there is time left', 5, left, shown)
  await until('it counts down', 10, async () => await left() !== first, left)
  tab.clean()
  await tab.close()
}

// The drawing of a swarm, once all its peers are there.
export async function drawing (browser, show, options) {
  const tab = await browser.open(`${show.tracker.url}swarm-view#${show.made.facts.info_hash_v2}`, options)
  await tab.until('all peers are on the circle', 15, (count) =>
    document.querySelectorAll('#ring button[data-addr]').length >= count, show.others.length + 2)
  return tab
}

async function wholeSwarm (browser, show) {
  const tab = await drawing(browser, show)
  const { page } = tab
  const wires = () => page.evaluate(() => {
    const data = window.pixelsOf('#wires')
    let inked = 0
    for (let at = 3; at < data.length; at += 4) if (data[at] > 40) inked += 1
    return inked
  })
  await until('lines are drawn', 15, async () => await wires() > 500, wires)
  await page.click('#as-table')
  await tab.until('the table has lines that serve, and their rates', 15, () =>
    /[1-9].*B\/s ?serves it/.test(document.querySelector('#links-table').textContent))
  same(await page.locator('#nodes-table tr').count(), await page.locator('#ring button[data-addr]').count(), 'peers in the table')
  await page.click('#as-table')
  await page.locator(`#ring button[data-addr="${show.node.peer}"]`).focus()
  await page.keyboard.press('Enter')
  await tab.until('the panel is of the chosen peer', 5, (peer) =>
    document.querySelector('#ring .chosen')?.dataset.addr === peer && !document.querySelector('#of-peer').hidden, show.node.peer)
  await tab.until('it says whom that peer serves, or who serves it', 15, () =>
    document.querySelectorAll('#serves li, #served-by li').length > 0)
  tab.clean()
  await tab.close()
}

// Opens traces as they are now: a browser reads no file that grows meanwhile.
export async function openTraces (tab, traces) {
  const copies = traces.map((trace) => {
    const copy = `${trace}.copy.jsonl`
    fs.copyFileSync(trace, copy)
    return copy
  })
  await tab.page.setInputFiles('#files', copies)
  await until('the replay is there', 20, () => tab.page.isVisible('body[data-source=replay] #replay'), () => tab.page.textContent('#state'))
  await tab.until('the traces are read', 20, () => Number(document.querySelector('#time').max) > 1)
}

const now = (tab) => tab.page.evaluate(() => Number(document.querySelector('#time').value))

async function replays (browser, show) {
  const tab = await drawing(browser, show)
  const { page } = tab
  await openTraces(tab, show.traces)
  const asked = []
  page.on('request', (request) => asked.push(request.url()))
  const peers = await page.locator('#ring button[data-addr]').count()
  holds(peers >= show.others.length, `the traces show only ${peers} peers`)
  await page.click('#forth')
  await until('time goes on', 10, async () => await now(tab) > 0.5, () => now(tab))
  await page.click('#faster')
  await page.click('#faster')
  const fast = await page.textContent('#speed-said')
  holds(fast !== '1x', `the speed is ${fast}`)
  await page.click('#pause')
  await page.evaluate(() => {
    const time = document.querySelector('#time')
    time.value = time.max / 3
    time.dispatchEvent(new Event('input', { bubbles: true }))
  })
  await tab.drawn()
  const [paused, words] = [await now(tab), await page.textContent('#now')]
  await page.click('#step')
  await tab.until('the next event is shown', 5, (words) => document.querySelector('#now').textContent !== words, words)
  const stepped = await now(tab)
  holds(stepped >= paused, `a step on led from ${paused} to ${stepped}`)
  await page.click('#step-back')
  await until('a step back leads back', 5, async () => await now(tab) <= stepped && await page.textContent('#now') === words,
    async () => [await now(tab), await page.textContent('#now')])
  await page.click('#back')
  await until('time goes back', 10, async () => await now(tab) < paused, () => now(tab))
  await page.click('#pause')
  same(asked.filter((url) => !url.startsWith('blob:')), [], 'what was asked of anybody during the replay')
  tab.clean()
  await tab.close()
}

async function seen (browser, url, name, selector) {
  const tab = await browser.open(url)
  await tab.page.locator(selector).first().waitFor()
  await tab.isFit(name)
  tab.clean()
  await tab.close()
}

async function drawings (browser, show) {
  const tab = await drawing(browser, show)
  await tab.page.locator('#ring button[data-addr]').first().click()
  await tab.isFit('swarm-live')
  await openTraces(tab, show.traces)
  await tab.page.click('#forth')
  await until('the replay has begun', 10, async () => await now(tab) > 1, () => now(tab))
  await tab.page.click('#pause')
  await tab.isFit('swarm-replay')
  tab.clean()
  await tab.close()
}
