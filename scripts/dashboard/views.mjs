// Every view of a node that shares with seven others: what it shows, by mouse and by keyboard, on a
// desk and a phone, light and dark, and what axe-core says of it.

import path from 'node:path'
import { holds, same, until } from './checks.mjs'
import { NodePage, PANELS, VERIFIED } from './nodepage.mjs'
import { Node, SEEDING, makeTorrent, startTracker } from './swarm.mjs'

const SIZE = 24 << 20
const PIECES = 1536
const UPLIMITS = [120, 180, 240, 300, 360, 420] // kB/s of the other leechers

// Seven others and a node that takes about a minute. Rounds of the choker are played at five times
// their speed, so that there is something to see.
export async function exhibition (stage, name, seconds = 60) {
  const tracker = await startTracker(stage, `${name}-tracker`, ['--dashboard'])
  const seeder = await Node.start(stage, `${name}-seeder`, tracker.at, ['--uplimit', '1500', '--super-seeding', 'off'])
  const content = stage.file('lecture.mp4', SIZE, seeder.downloads)
  const made = await makeTorrent(stage, content, ['-s', String(SIZE / PIECES / 1024), '-t', tracker.at])
  const seeded = await seeder.add(made.file)
  await seeder.wait(seeded, 'it seeds', 20, ['status'], (row) => row.status === SEEDING)
  const traces = []
  const others = UPLIMITS.map((limit, at) => {
    const folder = stage.at(`${name}-leecher-${at}`)
    traces.push(path.join(folder, 'trace.jsonl'))
    return stage.run(`${name}-leecher-${at}`, 'peer', ['--leech', made.file, '--port', 0, '--bind', '127.0.0.1', '--tracker', tracker.at,
      '--uplimit', limit, '--downlimit', 500 + 40 * at, '--download-dir', folder, '--trace', traces[at], '--quiet'])
  })
  const node = await Node.start(stage, name, tracker.at, ['--downlimit', Math.round(SIZE / seconds / 1000), '--uplimit', '600', '--time-scale', '5'])
  const id = await node.add(made.file)
  await node.wait(id, 'it has many peers', 30, ['peersConnected', 'peersSendingToUs'], (row) =>
    row.peersConnected >= others.length && row.peersSendingToUs > 0)
  return { tracker, seeder, others, traces, node, id, made }
}

export async function play (check, { stage, browser }) {
  const show = await exhibition(stage, 'views')
  const view = await NodePage.open(browser, show.node)
  await view.choose(show.id)
  await check('the map has layers, and names a piece under the mouse and under the arrow keys', () => layers(view))
  await check('peers stand in the order of their addresses, each with words and a bar', () => peers(view, show))
  await check('the choke board says whom it serves and why, and counts down', () => choking(view))
  await check('graphs are drawn, with their figures in words', () => graphs(view))
  await check('the log passes by, is filtered, paused and stepped', () => log(view))
  await check('trackers say when they were asked', () => trackers(view, show))
  await check('all of it goes by keyboard', () => keyboard(view))
  await check('the list: fits a desk and a phone, and is accessible, light and dark', () => view.tab.isFit('node'))
  for (const panel of PANELS) {
    await check(`${panel}: fits a desk and a phone, and is accessible, light and dark`, async () => {
      await view.panel(panel)
      if (panel === 'log') await fewLines(view)
      await view.tab.isFit(`node-${panel}`)
    })
  }
  await check('dialogs: fit a desk and a phone, and are accessible, light and dark', () => dialogs(view))
  await check('nothing was wrong on the console, and nobody else was asked for anything', () => view.tab.clean())
  await view.tab.close()
}

// A log that stands still, and is short enough to be looked at.
async function fewLines (view) {
  await view.page.click('#log-clear')
  await view.tab.until('some lines have passed', 10, () => document.querySelectorAll('#log-rows li').length > 20)
  await view.page.click('#log-pause')
}

async function dialogs (view) {
  await view.panel('trackers')
  for (const [opener, dialog] of [['#add-open', '#add'], ['#remove-open', '#remove'], ['#torrent-limits-open', '#limits'], ['#help-open', '#help']]) {
    await view.page.click(opener)
    await view.page.waitForSelector(`${dialog}[open]`)
    await view.tab.isFit(`node-${dialog.slice(1)}`)
    await view.page.keyboard.press('Escape')
    await view.page.waitForSelector(dialog, { state: 'hidden' })
  }
}

async function layers (view) {
  const { page, tab } = view
  await view.panel('pieces')
  await tab.until('the map has all pieces', 10, (count) => Number(document.querySelector('#pieces').dataset.pieces) === count, PIECES)
  await until('pieces are verified', 20, async () => (await view.legend())[VERIFIED] > 0)
  for (const layer of ['source', 'availability', 'state']) {
    await page.selectOption('#layer', layer)
    await tab.until(`the map is coloured by ${layer}`, 10, (layer) => {
      const painted = document.querySelector('#pieces').dataset.layer === layer
      return painted && document.querySelectorAll('#legend li').length > 1
    }, layer)
    if (layer === 'source') await tab.until('the legend names peers', 10, () => /127\.0\.0\.\d+:\d+/.test(document.querySelector('#legend').textContent))
  }
  const box = await page.locator('#pieces').boundingBox()
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 3)
  await tab.until('the piece under the mouse is named', 5, () => /piece \d+/i.test(document.querySelector('#piece-says').textContent))
  const named = await page.textContent('#piece-says')
  await page.focus('#pieces')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowRight')
  await tab.until('another piece is named', 5, (named) => document.querySelector('#piece-says').textContent !== named, named)
}

const addresses = (view) => view.page.evaluate(() =>
  [...document.querySelectorAll('#peers tr[data-address]')].map((row) => row.dataset.address))

const inOrder = (list) => [...list].sort((a, b) => a.split(':')[1] - b.split(':')[1])

async function peers (view, { node, id }) {
  await view.panel('peers')
  await until('the page has every peer', 10, async () =>
    (await addresses(view)).length === (await node.torrent(id, ['peersConnected'])).peersConnected)
  for (let tries = 0; tries < 3; tries++) {
    const list = await addresses(view)
    same(list, inOrder(list), 'the order')
    await view.states(1)
  }
  const text = await view.page.textContent('#peers tbody')
  holds(text.includes('swarmlet'), 'no client is named')
  await view.tab.until('somebody is served, and the page says why', 15, () => /st of|nd of|rd of|optimistic|trial|gives|waited|turn/i
    .test(document.querySelector('#peers tbody').textContent))
}

async function choking (view) {
  const { page, tab } = view
  await view.panel('choking')
  await tab.until('a peer is served on the board', 15, () => document.querySelector('#board g[data-standing=served], #board g[data-standing=trial]'))
  await tab.until('others wait for a slot', 15, () => document.querySelector('#board g[data-standing=waits]'))
  const countdown = () => page.textContent('#next-round').then((text) => Number(text.match(/in (\d+(?:\.\d+)?)\s*s/)?.[1] ?? NaN))
  const first = await until('the next round is announced', 10, async () => Number.isFinite(await countdown()) && { secs: await countdown() },
    () => page.textContent('#next-round'))
  await until('it counts down', 10, async () => await countdown() !== first.secs, countdown)
  await tab.until('decisions are listed with their reasons', 15, () =>
    [...document.querySelectorAll('#decisions li')].some((line) => line.textContent.length > 20))
}

async function graphs (view) {
  await view.panel('graphs')
  for (const name of ['recent', 'whole', 'copies']) {
    await view.tab.until(`the graph ${name} is drawn`, 15, (id) => {
      const { buffer } = window.pixelsOf(id)
      return buffer && new Set(new Uint32Array(buffer)).size > 3
    }, `#graph-${name}`)
  }
  await view.page.selectOption('#graph-scope', 'session')
  await view.page.selectOption('#graph-scope', 'torrent')
}

async function log (view) {
  const { page, tab } = view
  const count = () => page.locator('#log-rows li').count()
  await view.panel('log')
  await until('messages pass', 10, async () => await count() > 5, count)
  const types = await page.evaluate(() => [...document.querySelectorAll('#log-types input')].map((input) => input.value))
  holds(types.length > 3, `there are only the types ${types}`)
  const kept = types.find((type) => /have/i.test(type))
  for (const type of types) await page.setChecked(`#log-types input[value="${type}"]`, type === kept)
  await page.click('#log-clear')
  await until('messages of having pieces pass', 15, async () => await count() > 2, count)
  const shown = await page.evaluate(() => [...new Set([...document.querySelectorAll('#log-rows li')].map((line) => line.dataset.msg))])
  holds(shown.includes('HAVE') && !shown.some((msg) => ['GET', 'CHUNK_DATA', 'pick', 'choke'].includes(msg)), `there is ${shown}`)
  for (const type of types) await page.setChecked(`#log-types input[value="${type}"]`, true)
  await page.click('#log-clear') // a full list gets no longer
  await page.click('#log-pause')
  await page.waitForSelector('#log-pause[aria-pressed=true]')
  const held = await count()
  await view.states(2)
  same(await count(), held, 'the number of lines while it is paused')
  await page.click('#log-step')
  await until('one more line', 5, async () => await count() === held + 1, count)
  await page.click('#log-pause')
  const [peer] = await page.evaluate(() => [...document.querySelectorAll('#log-peers option')].map((option) => option.value))
  await page.fill('#log-peer', peer)
  await page.press('#log-peer', 'Enter')
  await page.click('#log-clear')
  await until('lines of one peer pass', 15, async () => await count() > 2, count)
  await page.fill('#log-peer', '')
  await page.press('#log-peer', 'Enter')
  await tab.until('lines of all pass again', 10, () => document.querySelectorAll('#log-rows li').length > 3)
}

async function trackers (view, { tracker }) {
  await view.panel('trackers')
  await view.tab.until('the tracker is listed', 10, (at) => document.querySelector('#trackers tbody').textContent.includes(at), tracker.at)
}

async function keyboard (view) {
  const { page } = view
  const focused = () => page.evaluate(() => document.activeElement.id)
  await page.focus('#torrents-title')
  await until('Tab leads to the button of adding', 10, async () => {
    await page.keyboard.press('Tab')
    return await focused() === 'add-open'
  }, focused)
  await page.keyboard.press('Enter')
  await page.waitForSelector('#add[open]')
  same(await page.evaluate(() => document.querySelector('#add').contains(document.activeElement)), true, 'whether the focus is in the dialog')
  await page.keyboard.press('Escape')
  await page.waitForSelector('#add', { state: 'hidden' })
  same(await focused(), 'add-open', 'where the focus is afterwards')
  await page.click('#tab-pieces')
  for (const panel of [...PANELS.slice(1), PANELS[0]]) {
    await page.keyboard.press('ArrowRight')
    same(await focused(), `tab-${panel}`, 'the tab after an arrow key')
    await page.waitForSelector(`#panel-${panel}`, { state: 'visible' })
  }
  await page.keyboard.press('ArrowLeft')
  same(await focused(), `tab-${PANELS.at(-1)}`, 'the tab to the left of the first')
  await page.keyboard.press('Home')
  same(await focused(), 'tab-pieces', 'the first tab')
  const visible = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement)
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
  })
  holds(visible, 'the focus cannot be seen')
  await page.keyboard.press('2')
  await page.waitForSelector('#panel-peers', { state: 'visible' })
  await page.keyboard.press('a')
  await page.waitForSelector('#add[open]')
  await page.keyboard.press('Escape')
  await page.waitForSelector('#add', { state: 'hidden' })
}
