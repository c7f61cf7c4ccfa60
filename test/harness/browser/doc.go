// Package browser runs a real Chromium, headless, for tests of what browsers do with the
// bridge's answers.
//
// Invariants:
//
//   - A browser has a profile of its own and ends with the test that started it.
//   - It asks for nothing but what a test makes it ask for: no updates, no extensions.
//   - Where Chromium is missing, tests are skipped; with FAIRLEAD_E2E=require they fail.
//
// The goroutines are those of chromedp; they have ended when the test's cleanup has.
package browser
