// Package demo holds the pages of the demo.
package demo

import "embed"

// Files are the pages, styles and scripts.
//
//go:embed *.html *.css *.js *.svg
var Files embed.FS
