// One line for each check, and the count of them at the end.
//
// A check is a function; what it throws is its failure, and the next one goes on. What cannot be
// checked because something is not there is skipped by name, and never counts as passed.

// A check that did not end as it must; its message says what was seen.
export class Failed extends Error {}

export class Checks {
  constructor () {
    this.passed = 0
    this.failed = []
    this.skipped = []
  }

  // Runs one check and prints its line; whether it passed.
  async check (name, does) {
    const begun = performance.now()
    try {
      await does()
    } catch (error) {
      this.fail(name, error)
      return false
    }
    this.passed += 1
    console.log(`ok    ${name} (${((performance.now() - begun) / 1000).toFixed(1)} s)`)
    return true
  }

  fail (name, error) {
    const why = error instanceof Failed ? error.message : firstLines(error)
    this.failed.push(`${name}: ${why}`)
    console.log(`FAIL  ${name}: ${why}`)
  }

  skip (name, why) {
    this.skipped.push(`${name}: ${why}`)
    console.log(`skip  ${name}: ${why}`)
  }

  summary () {
    const lines = [
      ...this.failed.map((line) => `failed: ${line}`),
      ...this.skipped.map((line) => `skipped: ${line}`)
    ]
    const counts = `${this.passed} passed, ${this.failed.length} failed`
    return [...lines, counts + (this.skipped.length ? `, ${this.skipped.length} skipped` : '')].join('\n')
  }
}

const firstLines = (error) => String(error?.stack ?? error).split('\n').slice(0, 6).join('\n      ')

// Asks until the answer is true, and returns it; fails when the time is over. `seen` says what
// there was instead.
export async function until (what, seconds, ask, seen = () => '') {
  const ends = performance.now() + seconds * 1000
  let last
  for (;;) {
    try {
      const answer = await ask()
      if (answer) return answer
      last = undefined
    } catch (error) {
      if (error instanceof Failed) throw error
      last = error
    }
    if (performance.now() > ends) break
    await new Promise((resolve) => setTimeout(resolve, 40))
  }
  const there = last ? firstLines(last) : await seen()
  throw new Failed(`waited ${seconds} s in vain until ${what}${there ? `; there was ${text(there)}` : ''}`)
}

// A promise that fails when it takes too long.
export function within (seconds, what, promise) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Failed(`${what}: not within ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// Fails with both values when they differ.
export function same (got, expected, what) {
  if (text(got) !== text(expected)) throw new Failed(`${what} is ${text(got)}, not ${text(expected)}`)
}

// Fails with a sentence when something is not so.
export function holds (is, sentence) {
  if (!is) throw new Failed(sentence)
}

const text = (value) => typeof value === 'string' ? value : JSON.stringify(value)
