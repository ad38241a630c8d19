package demo

import (
	"net"
	"net/http"
	"strings"

	webdemo "github.com/editlock/editlock/web/demo"
)

// assets serves the styles and scripts of the demo below /demo/.
func assets() http.Handler {
	return http.StripPrefix("/demo/", fresh(http.FileServerFS(webdemo.Files)))
}

// fresh keeps browsers from showing the files of an earlier build.
func fresh(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// hostname is a host without its port, as it stands in a URL.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}
