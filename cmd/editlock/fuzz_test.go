package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzSettings: a configuration file is refused in words that name it, or every setting in it is one of serve's and means what the same flag means.
func FuzzSettings(f *testing.F) {
	f.Add("listen: 127.0.0.1:3\nttl: 40s\norigin: [https://a.example, https://b.example]\n")
	f.Add("ttl: 30\n")
	f.Add("a: &a [*a]\n")
	f.Add("? {a: b}\n: c\n")
	f.Add("max_connections: 1e3\ntrusted_proxy: 10.0.0.0/8\n")
	f.Add("listen: 127.0.0.1:3\nlisten: 127.0.0.1:4\n")
	f.Add("config: other.yaml\n")
	f.Add("base_path: !!binary AA\n")
	path := filepath.Join(f.TempDir(), "c.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := parse(t, "serve", "--config="+path)
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) < 10 || strings.Contains(err.Error(), "panic") {
				t.Fatalf("refused by %q", err)
			}
			return
		}
		set, err := readSettings(path)
		if err != nil {
			t.Fatalf("it was read, and now: %v", err)
		}
		if v, ok := set.values["listen"].(string); ok && v != "" && got.Serve.Listen != v {
			t.Fatalf("listen is %q, and was taken for %q", v, got.Serve.Listen)
		}
	})
}
