// A node's page steers its node: every way to add a torrent, every button, and what is on the disk
// afterwards.

import fs from 'node:fs'
import path from 'node:path'
import { holds, same, until } from './checks.mjs'
import { ASKED, MISSING, NodePage, VERIFIED } from './nodepage.mjs'
import { Node, SEEDING, STOPPED, makeTorrent, startTracker } from './swarm.mjs'

const BIG = 24 << 20
const PIECE = 64 << 10

export async function play (check, { stage, browser }) {
  const tracker = await startTracker(stage, 'node-tracker', ['--dashboard'])
  const seeder = await Node.start(stage, 'node-seeder', tracker.at)
  const node = await Node.start(stage, 'node', tracker.at)
  const content = await contents(stage, seeder)
  const view = await NodePage.open(browser, node)
  const tried = { stage, tracker, seeder, node, view, content }

  await check('an empty list says what to do', () => view.page.waitForSelector('#empty', { state: 'visible' }))
  await check('a torrent is added by its magnet, with a limit', () => addsMagnet(tried))
  await check('its map fills: the legend counts, and pixels change', () => mapFills(tried))
  await check('it pauses: no byte comes', () => pauses(tried))
  await check('it resumes and comes to its end, byte by byte the same', () => resumes(tried))
  await check('a broken byte is found by verifying, and fetched again', () => verifies(tried))
  await check('limits and the order of pieces are set in a dialog', () => limits(tried))
  await check('a torrent is added by the file dialog, and its files are chosen', () => addsByFile(tried))
  await check('a torrent is added by drag and drop', () => addsByDrop(tried))
  await check('a torrent is added by its name in the catalogue', () => addsByName(tried))
  await check('a file is shared by its path', () => sharesPath(tried))
  await check('what cannot be added is said in words', () => refuses(tried))
  await check('removing asks first, and leaves the data', () => removes(tried))
  await check('removing with data deletes it', () => removesWithData(tried))
  await check('whole torrents of others are not harmed', () => fetched(tried, 'named.bin'))
  await check('nothing was wrong on the console, and nobody else was asked for anything', () => view.tab.clean())
  await view.tab.close()
}

// What the seeder serves.
async function contents (stage, seeder) {
  const folder = seeder.downloads
  stage.file('big.bin', BIG, folder)
  for (let at = 0; at < 6; at++) stage.file(`album/${at} song.flac`, 200_000 + at, folder)
  for (const name of ['dropped.bin', 'named.bin']) stage.file(name, 300_000, folder)
  const torrents = {}
  for (const name of ['big.bin', 'album', 'dropped.bin', 'named.bin']) {
    const made = await makeTorrent(stage, path.join(folder, name), ['-s', String(PIECE / 1024)])
    made.id = await seeder.add(made.file)
    torrents[name] = made
  }
  for (const { id } of Object.values(torrents)) {
    await seeder.wait(id, 'it seeds', 20, ['status'], (row) => row.status === SEEDING)
  }
  return torrents
}

const sameFile = (one, other) => fs.readFileSync(one).equals(fs.readFileSync(other))

// Waits until a content is whole, and compares it.
async function fetched ({ node, seeder, content }, name, id = content[name].here) {
  await node.wait(id, `${name} is whole`, 30, ['percentDone', 'status'], (row) => row.percentDone === 1 && row.status === SEEDING)
  const files = fs.statSync(seeder.path(name)).isDirectory() ? fs.readdirSync(seeder.path(name)).map((file) => path.join(name, file)) : [name]
  for (const file of files) holds(sameFile(seeder.path(file), node.path(file)), `${file} differs`)
}

async function addsMagnet ({ view, node, content, stage }) {
  const magnet = (await stage.call('peer', ['magnet', content['big.bin'].file])).trim()
  const id = await view.add((page) => page.fill('#add-what', magnet), { paused: true })
  content['big.bin'].here = id
  await view.choose(id)
  await setLimit(view, '#torrent-limits-open', 4000)
  await node.wait(id, 'it is limited', 5, ['downloadLimit', 'downloadLimited'], (row) => row.downloadLimited && row.downloadLimit === 4000)
  await view.carriesOut('#resume', 'it runs', id, ['status'], (row) => row.status !== STOPPED)
}

async function setLimit (view, opener, down) {
  await view.page.click(opener)
  await view.page.waitForSelector('#limits[open]')
  await view.page.check('#limit-down-on')
  await view.page.fill('#limit-down', String(down))
  await view.page.click('#limits-go')
  await view.page.waitForSelector('#limits', { state: 'hidden' })
}

async function mapFills ({ view }) {
  await view.panel('pieces')
  await view.tab.until('the map has all pieces', 20, (count) =>
    Number(document.querySelector('#pieces').dataset.pieces) === count, BIG / PIECE)
  const seen = []
  for (const share of [0.1, 0.3]) {
    await until(`${share * 100} % of the pieces are verified`, 20, async () =>
      (await view.legend())[VERIFIED] >= share * BIG / PIECE, () => view.legend())
    seen.push({ legend: await view.legend(), green: await view.green() })
  }
  const [early, late] = seen
  holds(late.legend[VERIFIED] > early.legend[VERIFIED], 'the legend counts no more than before')
  holds(early.green > 0 && late.green > early.green, `verified pixels went from ${early.green} to ${late.green}`)
  const all = Object.values(late.legend).reduce((sum, count) => sum + count, 0)
  same(all, BIG / PIECE, 'the sum of the legend')
}

async function pauses ({ view, node, content }) {
  const id = content['big.bin'].here
  await view.carriesOut('#pause', 'it is stopped', id, ['status'], (row) => row.status === STOPPED)
  await view.isState(id, 'stopped')
  await view.tab.until('the rate is nothing', 10, () => /^(0|–|—)/.test(document.querySelector('#total-down').textContent.trim()))
  const here = async () => (await node.torrent(id, ['haveValid'])).haveValid
  await until('the map has what the node has, and nothing is asked for', 5, async () => {
    const legend = await view.legend()
    return legend[VERIFIED] === await here() / PIECE && legend[ASKED] === 0
  }, async () => [await here() / PIECE, await view.legend()])
  const before = [await here(), await view.legend()]
  await view.states(2)
  same([await here(), await view.legend()], before, 'what is there after two more seconds')
  holds(before[0] < BIG, 'it had come to its end before it was paused')
}

async function resumes (tried) {
  const { view, content } = tried
  const id = content['big.bin'].here
  await view.page.click('#resume')
  await view.isState(id, 'downloading')
  await fetched(tried, 'big.bin')
  await view.isState(id, 'seeding')
  await until('the legend counts all pieces', 10, async () => (await view.legend())[VERIFIED] === BIG / PIECE, () => view.legend())
}

async function verifies (tried) {
  const { view, node, content } = tried
  const id = content['big.bin'].here
  await view.carriesOut('#pause', 'it is stopped', id, ['status'], (row) => row.status === STOPPED)
  await view.isState(id, 'stopped')
  const file = fs.openSync(node.path('big.bin'), 'r+')
  fs.writeSync(file, Buffer.from('broken'), 0, 6, 5 * PIECE + 77)
  fs.closeSync(file)
  await view.carriesOut('#verify', 'a piece is missing', id, ['leftUntilDone', 'status'], (row) =>
    row.leftUntilDone === PIECE && row.status === STOPPED, 20)
  await until('the map has one piece less', 10, async () => (await view.legend())[MISSING] === 1, () => view.legend())
  await view.page.click('#resume')
  await fetched(tried, 'big.bin')
}

async function limits ({ view, node, content }) {
  const id = content['big.bin'].here
  const { page } = view
  await page.click('#torrent-limits-open')
  await page.waitForSelector('#limits[open]')
  await page.uncheck('#limit-down-on')
  await page.check('#limit-up-on')
  await page.fill('#limit-up', '321')
  await page.check('#sequential')
  await page.click('#limits-go')
  await node.wait(id, 'it has the limits', 5, ['downloadLimited', 'uploadLimit', 'uploadLimited', 'sequentialDownload'], (row) =>
    !row.downloadLimited && row.uploadLimited && row.uploadLimit === 321 && row.sequentialDownload)
  await setLimit(view, '#limits-open', 5000)
  await until('all torrents together are limited', 5, async () => {
    const session = await node.call('session-get')
    return session['speed-limit-down-enabled'] && session['speed-limit-down'] === 5000
  })
  await page.click('#slow')
  await page.waitForSelector('#slow[aria-pressed=true]')
  same((await node.call('session-get'))['alt-speed-enabled'], true, 'the slow lane')
  await page.click('#slow')
  await page.waitForSelector('#slow[aria-pressed=false]')
}

async function addsByFile (tried) {
  const { view, node, content } = tried
  const { page } = view
  const id = await view.add((page) => page.setInputFiles('#add-files', content.album.file), { paused: true })
  content.album.here = id
  await view.choose(id)
  await view.panel('files')
  await view.tab.until('the page has its files', 10, () => document.querySelectorAll('#files tr[data-index]').length === 6)
  for (const index of [1, 4]) {
    await page.uncheck(`#files tr[data-index="${index}"] input[type=checkbox]`)
    // News that were on their way already: the page shows them, and takes nothing back for it.
    const kept = await page.evaluate((index) => {
      const before = structuredClone(news.files)
      before.files[index].wanted = true
      onFiles(before)
      return !document.querySelector(`#files tr[data-index="${index}"] input`).checked
    }, index)
    holds(kept, 'older news undid a choice')
  }
  await page.selectOption('#files tr[data-index="2"] select', 'high')
  await node.wait(id, 'the choice has arrived', 5, ['wanted', 'priorities'], ({ wanted, priorities }) =>
    wanted.map(Number).join('') === '101101' && priorities[2] === 1)
  await view.carriesOut('#resume', 'the wanted files are there', id, ['leftUntilDone', 'status'], (row) =>
    row.leftUntilDone === 0 && row.status === SEEDING, 20)
  const there = fs.readdirSync(node.path('album')).filter((name) => name.endsWith('.flac')).map((name) => name[0]).sort().join('')
  same(there, '0235', 'the files on the disk')
}

async function addsByDrop (tried) {
  const { view, content } = tried
  const before = await view.known()
  await view.page.evaluate(() => { document.querySelector('#add-paused').checked = false })
  const bytes = fs.readFileSync(content['dropped.bin'].file).toString('base64')
  const transfer = await view.page.evaluateHandle((bytes) => {
    const file = new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], 'dropped.torrent', { type: 'application/x-bittorrent' })
    const transfer = new DataTransfer()
    transfer.items.add(file)
    return transfer
  }, bytes)
  for (const type of ['dragenter', 'dragover']) await view.page.dispatchEvent('body', type, { dataTransfer: transfer })
  await view.page.waitForSelector('#drop-here', { state: 'visible' })
  await view.page.dispatchEvent('body', 'drop', { dataTransfer: transfer })
  await view.page.waitForSelector('#drop-here', { state: 'hidden' })
  content['dropped.bin'].here = await view.added(before)
  await fetched(tried, 'dropped.bin')
}

async function addsByName (tried) {
  const { view, content } = tried
  content['named.bin'].here = await view.add(async (page) => {
    await page.click('#catalogue-open')
    await page.fill('#catalogue-filter', 'named')
    await page.click('#catalogue button[data-name="named.bin"]')
  }, { goes: true })
  await fetched(tried, 'named.bin')
}

async function sharesPath ({ view, node, stage, tracker, content }) {
  const file = stage.file('my own.bin', 200_000, stage.at('elsewhere'))
  const id = await view.add((page) => page.fill('#add-seed', file))
  content.own = { here: id, file }
  await node.wait(id, 'it is served', 10, ['status', 'percentDone'], (row) => row.status === SEEDING && row.percentDone === 1)
  await until('the tracker lists it', 10, async () => (await stage.call('peer', ['list', '--tracker', tracker.at])).includes('my own.bin'))
}

async function refuses ({ view, node }) {
  const { page } = view
  const before = (await node.torrents(['id'])).length
  await page.click('#add-open')
  await page.fill('#add-seed', '/nothing/is/here')
  await page.click('#add-go')
  await view.tab.until('the page says why', 10, () => {
    const said = document.querySelector('#add-said')
    return !said.hidden && said.textContent.includes('/nothing/is/here')
  })
  same((await node.torrents(['id'])).length, before, 'the number of torrents')
  await page.keyboard.press('Escape')
  await page.waitForSelector('#add', { state: 'hidden' })
}

async function removes ({ view, node, content }) {
  const { page } = view
  const id = content['dropped.bin'].here
  await view.choose(id)
  await page.click('#remove-open')
  await page.waitForSelector('#remove[open]')
  same(await page.textContent('#remove-name'), 'dropped.bin', 'what is to be removed')
  await page.keyboard.press('Escape')
  await page.waitForSelector('#remove', { state: 'hidden' })
  holds(await node.torrent(id, ['id']), 'it was removed though nobody said so')
  await page.click('#remove-open')
  holds(!await page.isChecked('#remove-data'), 'the data would go without having been asked for')
  await page.click('#remove-go')
  await gone(view, node, id)
  holds(fs.existsSync(node.path('dropped.bin')), 'its data is gone')
}

async function removesWithData ({ view, node, content }) {
  const { page } = view
  const id = content['big.bin'].here
  await view.choose(id)
  await page.click('#remove-open')
  await page.check('#remove-data')
  await page.click('#remove-go')
  await gone(view, node, id)
  await until('its data is gone', 5, () => !fs.existsSync(node.path('big.bin')))
}

async function gone (view, node, id) {
  await view.page.waitForSelector(`#torrents tr[data-id="${id}"]`, { state: 'detached' })
  same(await node.torrent(id, ['id']) ?? null, null, 'the torrent at the node')
}
