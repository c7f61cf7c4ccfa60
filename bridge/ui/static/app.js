// Keeps a page up to date: its own request is made again when something has happened, and at
// intervals, and the new text is put in the place of the old. Everything works without it.
"use strict";
