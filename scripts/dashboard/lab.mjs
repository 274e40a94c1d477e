// A whole swarm that a lab drives: what its buttons do is seen in the drawing, and nobody but its
// own page may press them.

import { holds, same, until } from './checks.mjs'
import { EVIL } from './chromium.mjs'
import http from 'node:http'

async function start (stage, browser, options) {
  const lab = stage.run('lab', 'lab', ['demo', '--peers', 4, '--size', '200M', '--seed-rate', 2000, '--peer-rate', 300, '--listen', '127.0.0.1:0'])
  const [, url] = await lab.says(/open (\S+)/)
  return { lab, url, tab: await browser.open(url, options) }
}

// A show in which one peer is a free rider by now, for a picture.
export async function show (stage, browser, options) {
  const { tab } = await start(stage, browser, options)
  await begins(tab)
  await rides(tab)
  await until('it is served on trial', 60, async () => (await table(tab, 'links-table')).some(([,, , how]) => /trial/.test(how)))
  return tab
}

export async function play (check, { stage, browser }) {
  const { lab, url, tab } = await start(stage, browser)
  await check('all peers of a show come, and it has buttons', () => begins(tab))
  await check('a peer that is killed goes, and the lab says so', () => kills(tab))
  await check('a peer that is added comes', () => adds(tab))
  await check('a limit is seen in the rates', () => limits(tab))
  await check('a free rider keeps what it has and serves nobody', () => rides(tab))
  await check('pages of others press no button', () => strangers(browser, stage, url))
  await check('the page with its controls fits a desk and a phone, and is accessible', async () => {
    await choose(tab, (await leechers(tab))[0])
    await tab.isFit('lab')
  })
  tab.clean()
  await tab.close()
  await check('it ends with all of its peers', () => ends(stage, lab))
}

const COUNT = 5 // a seeder and four others

const peers = (tab) => tab.page.evaluate(() => [...document.querySelectorAll('#ring button[data-addr]')].map((one) => one.dataset.addr))
const said = (tab) => tab.page.evaluate(() => document.querySelector('#sayings').textContent)

// What the tables say, also while they are hidden from view: rows of words.
async function table (tab, id) {
  await tab.page.click('#as-table')
  const rows = await tab.page.evaluate((id) => [...document.querySelectorAll(`#${id} tr`)].map((row) => [...row.cells].map((cell) => cell.textContent)), id)
  await tab.page.click('#as-table')
  return rows
}

const leechers = async (tab) => (await table(tab, 'nodes-table')).filter(([, has]) => !/100/.test(has)).map(([addr]) => addr)

async function choose (tab, addr) {
  const button = tab.page.locator(`#ring button[data-addr="${addr}"]`)
  if (!await button.evaluate((one) => one.classList.contains('chosen'))) await button.click()
  await tab.page.locator('#of-peer').waitFor({ state: 'visible' })
}

async function begins (tab) {
  await until('all peers are there', 60, async () => (await peers(tab)).length === COUNT, () => peers(tab))
  await tab.page.locator('#add').waitFor({ state: 'visible' })
  await until('somebody serves somebody', 30, async () => (await table(tab, 'links-table')).some(([,, , how]) => /^serves/.test(how)))
  await choose(tab, (await leechers(tab))[0])
  for (const id of ['kill', 'limit', 'free-rider']) await tab.page.locator(`#${id}`).waitFor({ state: 'visible' })
}

async function kills (tab) {
  const [victim] = await leechers(tab)
  await choose(tab, victim)
  await tab.page.click('#kill')
  await until('the lab says so', 10, async () => (await said(tab)).includes(`${victim} (peer`), () => said(tab))
  await until('it is read out', 5, async () => /is killed/.test(await tab.page.textContent('#said')))
  await until('it is gone from the circle', 15, async () => !(await peers(tab)).includes(victim), () => peers(tab))
}

async function adds (tab) {
  const before = await peers(tab)
  await tab.page.click('#add')
  await until('somebody new is there', 30, async () => (await peers(tab)).some((addr) => !before.includes(addr)), () => peers(tab))
  holds(/peer 5 is added/.test(await said(tab)), await said(tab))
}

async function limits (tab) {
  const [one] = await leechers(tab)
  await choose(tab, one)
  await tab.page.fill('#limit-rate', '')
  await tab.page.click('#limit')
  holds(/give a rate/.test(await tab.page.textContent('#control-said')), 'an empty limit was sent')
  await tab.page.fill('#limit-rate', '20')
  await tab.page.click('#limit')
  await until('the lab says so', 10, async () => (await said(tab)).includes('sends at most 20 kB/s'), () => said(tab))
  const sends = async () => (await table(tab, 'nodes-table')).find(([addr]) => addr === one)?.[3] ?? ''
  await until('it sends less', 30, async () => /^([0-9]|[1-3][0-9])(\.\d+)? (kB|B)\/s$/.test(await sends()), sends)
}

async function rides (tab) {
  const one = (await leechers(tab)).at(-1)
  await choose(tab, one)
  await tab.page.click('#free-rider')
  await until('the lab says so', 20, async () => (await said(tab)).includes(`is a free rider`), () => said(tab))
  const row = async () => (await table(tab, 'nodes-table')).find(([addr]) => addr === one) ?? []
  await until('it is back, and serves nobody', 30, async () => (await row())[4] === 'nobody' && !/^0 ?%/.test((await row())[1]), row)
}

// A page of somebody else's on this machine: it sends what a browser lets it send.
async function strangers (browser, stage, url) {
  const server = http.createServer((request, reply) => reply.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>evil'))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  stage.also(() => server.close())
  const port = new URL(url).port
  const evil = await browser.open(`http://${EVIL}:${server.address().port}/`, { free: true })
  const target = `http://127.0.0.1:${port}/control`
  const tries = await evil.page.evaluate(async (target) => {
    const body = '{"action":"add"}'
    const how = [{ mode: 'no-cors' }, {}, { headers: { 'X-Token': 'guess' } }]
    const went = (more) => fetch(target, { method: 'POST', body, ...more }).then((got) => `${got.type} ${got.status}`, () => 'refused')
    return await Promise.all(how.map(went))
  }, target)
  same(tries, ['opaque 0', 'refused', 'refused'], 'what its page was told')
  const rebound = await browser.open(`http://${EVIL}:${port}/swarm-view`, { free: true })
  same(rebound.answer.status(), 421, 'the status of the page by another name')
  const status = await rebound.page.evaluate(() => fetch('/control', { method: 'POST', body: '{"action":"add"}' }).then((got) => got.status))
  same(status, 421, 'the status of an order by another name')
  await evil.close()
  await rebound.close()
  const tab = await browser.open(url)
  await tab.page.locator('#sayings li').first().waitFor()
  holds(!/peer 6/.test(await said(tab)), 'a stranger has added a peer')
  await tab.close()
}

async function ends (stage, lab) {
  lab.end('SIGINT')
  await until('the lab has ended', 15, () => lab.ended)
  same(lab.child.exitCode, 0, 'its exit code')
  stage.programs.delete(lab)
}
