// Package web holds the browser client: the scripts API and the <edit-lock> element, written in TypeScript and built
// into dist by go generate, without npm.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:generate go tool -modfile=../tools/go.mod esbuild src/define.ts --bundle --minify --format=esm --target=es2022 --charset=utf8 --legal-comments=inline --log-level=warning --outfile=dist/editlock.js
//go:generate go tool -modfile=../tools/go.mod esbuild src/define.ts --bundle --minify --format=iife --target=es2022 --charset=utf8 --legal-comments=inline --log-level=warning --outfile=dist/editlock.classic.js
//go:generate go tool -modfile=../tools/go.mod esbuild src/index.ts --bundle --format=esm --target=es2022 --charset=utf8 --legal-comments=inline --log-level=warning --outfile=dist/index.js
//go:generate go tool -modfile=../tools/go.mod esbuild src/define.ts --bundle --external:./index.js --format=esm --target=es2022 --charset=utf8 --log-level=warning --outfile=dist/define.js

// Dist is what is built: editlock.js, an ES module that registers the element; editlock.classic.js, the same for a
// script tag without type="module"; index.js and define.js for bundlers; and the type declarations in types.
//
//go:embed dist
var Dist embed.FS

// Handler serves the scripts of Dist by the last element of the path, so that it can be mounted anywhere:
// "/editlock/editlock.js". A browser may keep them and asks each time whether they are current. It is safe for
// concurrent use.
func Handler() http.Handler { return handler{} }

type handler struct{}

func (handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	asset, ok := assets()[path.Base(r.URL.Path)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, tag := asset.plain, asset.tag
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	// A page of another origin may be the one that is edited.
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*")
	if takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body, tag = asset.zipped, tag+"-gzip"
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func takesGzip(r *http.Request) bool {
	for _, offer := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(offer), ";")
		if name == "gzip" && strings.TrimSpace(quality) != "q=0" {
			return true
		}
	}
	return false
}

type asset struct {
	plain, zipped []byte
	tag           string
}

// assets are read and compressed once, at the first request.
var assets = sync.OnceValue(func() map[string]asset {
	entries, err := Dist.ReadDir("dist")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	all := make(map[string]asset, len(entries))
	for _, entry := range entries {
		if path.Ext(entry.Name()) != ".js" {
			continue
		}
		plain, err := Dist.ReadFile("dist/" + entry.Name())
		if err != nil {
			panic(err) // embedded: cannot fail
		}
		var zipped bytes.Buffer
		z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		z.Write(plain)
		z.Close()
		sum := sha256.Sum256(plain)
		all[entry.Name()] = asset{plain: plain, zipped: zipped.Bytes(), tag: hex.EncodeToString(sum[:12])}
	}
	return all
})
