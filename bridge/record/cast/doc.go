// Package cast writes and reads recordings of terminal sessions in asciicast v2: a
// header in JSON on the first line, and an event on each other line, an array of the
// seconds since the beginning, a code, and text. asciinema's own programs play them.
//
// Text in JSON is UTF-8, and what a session carries need not be. A byte that belongs
// to no valid character is written as the code point U+10FF00 plus its value, which is
// for private use; genuine code points of that range are written as their bytes, in
// the same way. [AppendText] and [Bytes] are inverse for all bytes, and a player shows
// what it shows for any character that it does not know.
package cast
