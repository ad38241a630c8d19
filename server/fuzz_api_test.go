package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/editlock/editlock/wire"
)

// client is an HTTP client in the bubble.
func (b *bubble) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case b.l.conns <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}}
}

// FuzzAPI asks whatever it likes of HTTP for programs, with a good access token. Every answer is one that the document describes, a refusal
// has words, nobody else loses anything, and the history is one of holders that followed one another.
//
// A line of the script is a method, an address and a body, with spaces between. "$S", "$F" and "$T" stand for the last session, fence and lock token of an answer.
//
// Faults: A2, A3, Q7
func FuzzAPI(f *testing.F) {
	f.Add("POST /v1/acquire {\"resource\":\"article/1\"}\nPOST /v1/renew {\"session\":\"$S\"}\nPOST /v1/changed {\"resource\":\"article/1\",\"session\":\"$S\",\"fence\":$F,\"version\":\"2\"}\n" +
		"POST /v1/check {\"resource\":\"article/1\",\"token\":\"$T\"}\nPOST /v1/release {\"resource\":\"article/1\",\"session\":\"$S\",\"fence\":$F}\nPOST /v1/release {\"resource\":\"article/1\",\"session\":\"$S\",\"fence\":$F}")
	f.Add("POST /v1/acquire {\"resource\":\"article/42\",\"wait\":3}\nPOST /v1/cancel {\"resource\":\"article/42\",\"session\":\"$S\"}\nGET /v1/locks?prefix=article/&limit=1\nGET /v1/locks/article/42\nGET /v1/history/article/42?limit=2&from=2026-11-23T14:05:00Z")
	f.Add("POST /v1/check {\"items\":[{\"resource\":\"article/42\"},{\"resource\":\"..\",\"fence\":1}]}\nPOST /v1/force-release {\"resource\":\"article/42\",\"reason\":\"x\"}\nGET /v1/locks?cursor=%00&limit=0\nGET /v1/locks/%2e%2e/article\nGET /v1/openapi.json")
	f.Add("DELETE /v1/acquire\nPOST /v1/acquire {\"resource\":\"article/1\",\"resource\":\"article/2\"}\nPOST /v1/acquire {\"resource\":\"article/1\",\"later\":1}\nGET /v1/history/article%2f42?cursor=%ff&until=x")
	f.Fuzz(func(t *testing.T, script string) {
		inBubble(t, func(b *bubble) {
			var last struct{ Session, Token string }
			fence := int64(0)
			client := b.client()
			lines := strings.Split(script, "\n")
			for _, line := range lines[:min(len(lines), 10)] {
				line = strings.NewReplacer("$S", last.Session, "$F", fmt.Sprint(fence), "$T", last.Token).Replace(line)
				part := strings.SplitN(line, " ", 3)
				if len(part) < 2 || !strings.HasPrefix(part[1], "/") {
					continue
				}
				var body io.Reader
				if len(part) == 3 {
					body = strings.NewReader(part[2])
				}
				r, err := http.NewRequestWithContext(b.t.Context(), part[0], "http://lock.example.com"+part[1], body)
				if err != nil || r.Host != "lock.example.com" || part[0] == "CONNECT" {
					continue
				}
				r.Header.Set("Authorization", "Bearer "+access("eve"))
				resp, err := client.Do(r)
				if err != nil {
					continue // what is no HTTP is answered by the library, or not at all
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil {
					t.Errorf("%q: %v", line, err)
				}
				b.answered(line, r, part, resp, got)
				var said struct {
					Session, Token string
					Fence          int64
				}
				if json.Unmarshal(got, &said) == nil && resp.StatusCode == 200 {
					if said.Session != "" {
						last.Session = said.Session
					}
					if said.Fence != 0 {
						fence, last.Token = said.Fence, said.Token
					}
				}
			}
			client.CloseIdleConnections()
			for _, name := range []string{"article/1", "article/2", "article/42"} {
				succession(b, name)
			}
		})
	})
}

// answered judges one answer.
func (b *bubble) answered(line string, r *http.Request, part []string, resp *http.Response, got []byte) {
	sent := []byte(nil)
	if len(part) == 3 {
		sent = []byte(part[2])
	}
	switch resp.Header.Get("Content-Type") {
	case wire.ProblemType:
		var p struct {
			Status       int
			Code, Detail string
		}
		if err := json.Unmarshal(got, &p); err != nil || p.Status != resp.StatusCode || p.Code == "" || len(p.Detail) < 15 || len(p.Detail) > 1000 || !utf8.Valid(got) {
			b.t.Errorf("%q is refused by %s", line, got)
		}
	case "application/json":
		if !json.Valid(got) {
			b.t.Errorf("%q is answered with %q", line, got)
		}
	}
	if resp.StatusCode == http.StatusInternalServerError {
		b.t.Errorf("%q is answered with %s: %s", line, resp.Status, got)
	}
	if r.Method != strings.ToUpper(r.Method) {
		return // a method of its own, which no document can describe
	}
	if err := theContract().judge(r, sent, resp, got); err != nil && resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" { // which the library says of no HTTP
		b.t.Error(err)
	}
}
