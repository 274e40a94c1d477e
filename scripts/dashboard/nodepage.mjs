// The node's page in a tab: what the checks look for and click, by the names that the page keeps.

import { until } from './checks.mjs'

export const PANELS = ['pieces', 'peers', 'choking', 'graphs', 'files', 'trackers', 'log']

// Values of the map's layer of states, as /events has them.
export const MISSING = 0
export const ASKED = 1
export const VERIFIED = 3

// The colour of verified pieces in the light theme.
const GREEN = [0x00, 0x9e, 0x73]

export class NodePage {
  static async open (browser, node, options) {
    const tab = await browser.open(node.url, options)
    const view = new NodePage(tab, node)
    await tab.page.waitForSelector('#connection[data-state=live]')
    return view
  }

  constructor (tab, node) {
    Object.assign(this, { tab, node, page: tab.page })
  }

  row (id) {
    return this.page.locator(`#torrents tr[data-id="${id}"]`)
  }

  // Shows a torrent.
  async choose (id) {
    const row = this.row(id)
    if (await row.getAttribute('aria-current') !== 'true') await row.locator('td, th').first().click()
    await this.page.waitForSelector(`#torrents tr[data-id="${id}"][aria-current=true]`)
    await this.page.waitForSelector('#detail-name')
  }

  async panel (name) {
    await this.page.click(`#tab-${name}`)
    await this.page.waitForSelector(`#panel-${name}`, { state: 'visible' })
    await this.page.evaluate((tab) => document.querySelector(tab).scrollIntoView(), `#tab-${name}`)
  }

  async isState (id, state, seconds = 10) {
    await this.tab.until(`the page says that torrent ${id} is ${state}`, seconds, ([id, state]) =>
      document.querySelector(`#torrents tr[data-id="${id}"]`)?.dataset.state === state, [id, state])
  }

  // How many pieces the legend counts by their value.
  legend () {
    return this.page.evaluate(() => Object.fromEntries([...document.querySelectorAll('#legend li[data-value]')]
      .map((line) => [line.dataset.value, Number(line.querySelector('.count').textContent.replace(/[^\d]/g, ''))])))
  }

  // How many pixels of the map are of the colour of verified pieces.
  green () {
    return this.page.evaluate((colour) => {
      const data = window.pixelsOf('#pieces')
      let count = 0
      for (let at = 0; at < data.length; at += 4) {
        if (colour.every((part, channel) => Math.abs(data[at + channel] - part) < 6)) count += 1
      }
      return count
    }, GREEN)
  }

  // Waits for so many more states from the node.
  async states (count) {
    await this.page.evaluate((count) => new Promise((resolve, reject) => {
      const source = new EventSource('/events')
      const late = setTimeout(() => reject(new Error(`no ${count} states within 10 s`)), 10_000)
      source.addEventListener('state', () => {
        if (--count >= 0) return
        clearTimeout(late)
        source.close()
        resolve()
      })
    }), count)
  }

  // Opens the dialog of adding, fills it, and goes, unless what was filled in went by itself; the
  // torrent's number.
  async add (fill, { paused = false, goes = false } = {}) {
    const before = await this.known()
    await this.page.click('#add-open')
    await this.page.waitForSelector('#add[open]')
    await this.page.setChecked('#add-paused', paused)
    await fill(this.page)
    if (!goes) await this.page.click('#add-go')
    const id = await this.added(before)
    await this.page.waitForSelector('#add', { state: 'hidden' })
    return id
  }

  // The numbers of the torrents that the page has.
  known () {
    return this.page.evaluate(() =>
      [...document.querySelectorAll('#torrents tr[data-id]')].map((row) => Number(row.dataset.id)))
  }

  // The number of the torrent that was not there before, once the page shows it.
  async added (before) {
    const fresh = async () => (await this.known()).find((id) => !before.includes(id))
    return await until('the page shows another torrent', 10, fresh, () => this.page.textContent('#add-said'))
  }

  // Clicks and waits until the node has carried it out.
  async carriesOut (selector, what, id, fields, met, seconds = 10) {
    await this.page.click(selector)
    return await this.node.wait(id, what, seconds, fields, met)
  }
}
