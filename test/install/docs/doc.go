// Package docs runs the commands of the documents. Every command that README
// and the other Markdown files show stands in a fenced block of language sh; the
// tests run these blocks as a reader would type them, in order, in one shell, so
// that they stay true.
//
// The words after a block's language say how the block is run:
//
//	scenario=a,b   the scenarios that the block belongs to; the blocks of one
//	               scenario run in order: README's, those of docs, the rest
//	background     the block keeps running while the next ones run
//	until="text"   the next block waits until this one, in the background, has
//	               printed the text
//	expect="text"  the block must print the text
//
// GitHub shows none of them. The blocks of scenario "ci" are run by .ci/run, not
// here. Commands in a block of language text need something that is missing here,
// such as a registry; this package lists them with the reason.
//
// Invariants:
//   - A block whose language is unknown here, a block of commands without a
//     scenario, and commands in an indented block are errors of the document.
//   - All processes that a block starts are in one process group and end with its
//     scenario.
//   - The blocks run in a copy of the tree, so that nothing is written into the
//     repository.
package docs
