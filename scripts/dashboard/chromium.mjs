// Debian's Chromium, cut off from every network: only 127.0.0.1 is there, and two names that lead
// to it. What a page says on its console, and whom it asks for anything, is kept and judged.

import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { holds, until, within } from './checks.mjs'

// Names of others that lead to this machine, as a name server of an attacker would have it.
export const EVIL = 'evil.test'
export const OTHER = 'other.test'

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  `--host-resolver-rules=MAP ${EVIL} 127.0.0.1, MAP ${OTHER} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.*, EXCLUDE localhost`]

// How every view is looked at; each with whether axe-core looks, too.
const LOOKS = {
  desk: { size: { width: 1280, height: 800 }, colorScheme: 'light', axe: true },
  dark: { size: { width: 1280, height: 800 }, colorScheme: 'dark', axe: true },
  phone: { size: { width: 390, height: 844 }, colorScheme: 'light', axe: false }
}

export const DESK = { width: 1280, height: 800 }
export const PHONE = { width: 390, height: 844 }

// Put into every page: the pixels of a canvas, read from a copy, so that the page's own canvas stays
// where it is fast to draw on.
const READ_PIXELS = () => {
  window.pixelsOf = (selector) => {
    const canvas = document.querySelector(selector)
    if (!canvas.width || !canvas.height) return []
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })
    copy.drawImage(canvas, 0, 0)
    return copy.getImageData(0, 0, canvas.width, canvas.height).data
  }
}

export class Browser {
  static async launch ({ chromium, modules, stage, shots }) {
    const require = createRequire(path.join(modules, 'anything.js'))
    const driver = require('playwright-core')
    const browser = new Browser()
    browser.axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
    browser.shots = shots
    browser.driven = await driver.chromium.launch({
      executablePath: chromium, args: FLAGS, handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false
    })
    stage.also(() => browser.driven.close())
    return browser
  }

  // A page at an address. Modules and everything that is not of `url`'s origin are blocked, and
  // that it was asked for at all is a fault; so is whatever it says on its console.
  async open (url, { viewport = DESK, dark = false, free = false, script = true } = {}) {
    const context = await this.driven.newContext({
      viewport, colorScheme: dark ? 'dark' : 'light', serviceWorkers: 'block', reducedMotion: 'reduce',
      javaScriptEnabled: script
    })
    const tab = new Tab(this, await context.newPage(), new URL(url).origin, free)
    if (!free) await context.route('**/*', (route) => tab.allow(route))
    if (script) await context.addInitScript(READ_PIXELS)
    tab.answer = await tab.page.goto(url, { waitUntil: 'load', timeout: 15_000 })
    return tab
  }
}

export class Tab {
  constructor (browser, page, origin, free) {
    Object.assign(this, { browser, page, origin, faults: [], dialogs: [] })
    page.setDefaultTimeout(8_000)
    const fault = (words) => { if (!free) this.faults.push(words) }
    page.on('pageerror', (error) => fault(`an exception: ${error.message}`))
    page.on('console', (said) => {
      if (['error', 'warning'].includes(said.type())) fault(`on the console: ${said.text()} (${said.location().url})`)
    })
    page.on('dialog', (dialog) => {
      this.dialogs.push(dialog.message())
      dialog.dismiss()
    })
  }

  async allow (route) {
    const request = route.request()
    const url = new URL(request.url())
    const isOwn = url.origin === this.origin || ['data:', 'blob:'].includes(url.protocol)
    const isModule = request.resourceType() === 'script' &&
      (await request.allHeaders())['sec-fetch-mode'] === 'cors'
    if (isOwn && !isModule) return await route.continue()
    this.faults.push(`asked for ${isModule ? 'a module, ' : ''}${url.href}`)
    await route.abort()
  }

  // Nothing was wrong so far.
  clean () {
    const faults = [...new Set(this.faults)]
    holds(faults.length === 0, `${faults.length} faults: ${faults.slice(0, 5).join('; ')}`)
  }

  // Waits until a question to the page is answered with something true.
  async until (what, seconds, ask, given) {
    return await until(what, seconds, () => this.page.evaluate(ask, given))
  }

  // Accessibility: what axe-core calls serious or critical.
  async accessible () {
    await this.page.evaluate(this.browser.axe)
    const found = await within(40, 'axe-core', this.page.evaluate(async () => {
      const { violations } = await window.axe.run(document, { resultTypes: ['violations'] })
      return violations.map(({ id, impact, nodes }) => ({
        id, impact, where: nodes.slice(0, 3).map((node) => node.target.join(' ')), how: nodes[0]?.failureSummary
      }))
    }))
    const grave = found.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    holds(grave.length === 0, `in ${await this.page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')} axe-core finds ${grave.map(({ id, where, how }) =>
      `${id} at ${where.join(', ')}: ${how}`).join('; ')}`)
  }

  // The page is no wider than the screen; what is too wide scrolls in a box of its own.
  async fits () {
    const { page, screen, wide } = await this.page.evaluate(() => ({
      page: document.documentElement.scrollWidth,
      screen: document.documentElement.clientWidth,
      wide: [...document.querySelectorAll('body *')]
        .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .slice(0, 4).map((one) => `${one.tagName.toLowerCase()}#${one.id}.${one.className}`)
    }))
    holds(page <= screen, `the page is ${page} wide on a screen of ${screen}: ${wide.join(', ')}`)
  }

  // Waits until what was asked for has been drawn.
  async drawn () {
    await this.page.evaluate(() => new Promise((resolve) =>
      requestAnimationFrame(() => requestAnimationFrame(resolve))))
  }

  // The page as it is on a desk, light and dark, and on a phone: a picture of each, nothing too
  // wide, nothing that axe-core calls grave.
  async isFit (name) {
    for (const [look, { size, colorScheme, axe }] of Object.entries(LOOKS)) {
      await this.page.setViewportSize(size)
      await this.page.emulateMedia({ colorScheme })
      await this.drawn()
      await this.shot(`${name}-${look}`)
      await this.fits()
      if (axe) await this.accessible()
    }
    await this.page.setViewportSize(DESK)
    await this.page.emulateMedia({ colorScheme: 'light' })
  }

  async shot (name) {
    const file = path.join(this.browser.shots, `${name}.png`)
    await this.page.screenshot({ path: file, animations: 'disabled', caret: 'hide' })
    return file
  }

  async close () {
    await this.page.context().close()
  }
}
