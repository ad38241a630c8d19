package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// A refusal costs the connection only if a body was left unread.
func TestRefusalKeepsTheConnection(t *testing.T) {
	w := start(t)
	ana, ben := w.asker("ana"), w.asker("ben")
	ana.acquire(wire.AcquireCall{Resource: doc42})
	for body, closes := range map[string]bool{
		`{"resource":"article/42"}`: false, // locked
		`{"resource":"a//b"}`:       false,
		`{`:                         false,
		``:                          false,
		`{"resource":"article/42","pad":"` + strings.Repeat("x", 2*wire.MaxBody) + `"}`: true,
	} {
		if s := ben.do("POST", "/v1/acquire", body); s.StatusCode < 400 || s.Close != closes {
			t.Errorf("%.40s: %s, closes %t", body, s.Status, s.Close)
		}
	}
	stream := "/v1/stream/" + wire.NewStreamName([16]byte{1})
	for _, head := range []string{`{"key":"nonsense","post":1}` + "\n", "nonsense\n"} {
		if s := ben.do("POST", stream, head); s.StatusCode < 400 || s.Close {
			t.Errorf("%s: %s, closes %t", head, s.Status, s.Close)
		}
	}
	eve := &asker{TB: t, addr: w.addr, token: "nonsense", http: ben.http}
	if s := eve.do("POST", "/v1/acquire", `{"resource":"article/42"}`); s.StatusCode != 401 || !s.Close {
		t.Errorf("%s, closes %t", s.Status, s.Close)
	}
}

// What is no request is refused with a code and words, whatever it is, and changes nothing.
// Faults: A1, A2
func TestBadBodies(t *testing.T) {
	w := start(t, func(s *setup) { s.RequestRate = 1000 })
	a := w.asker("ana", rights("edit:**", "administer:**"))
	g := a.acquire(wire.AcquireCall{Resource: doc42})
	session := fmt.Sprintf(`"session":%q`, g.Session)
	for _, c := range []struct {
		path, body string
		code       wire.Code
		say        string
	}{
		{"acquire", ``, wire.BadJSON, "empty"},
		{"acquire", " \n", wire.BadJSON, "empty"},
		{"acquire", `[]`, wire.BadJSON, "must be an object"},
		{"acquire", `"article/42"`, wire.BadJSON, "must be an object"},
		{"acquire", `{"resource":"article/42"`, wire.BadJSON, "ends too early"},
		{"acquire", `{"resource":"article/42"}{}`, wire.BadJSON, "follows"},
		{"acquire", `{"resource":"article/42","resource":"article/43"}`, wire.BadJSON, "twice"},
		{"acquire", `{"resource":"article/42","x":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, wire.BadJSON, "8 deep"},
		{"acquire", strings.Repeat(`{"x":`, 10_000), wire.BadJSON, "8 deep"},
		{"acquire", "{\"resource\":\"\xff\"}", wire.BadJSON, "syntax"},
		{"acquire", "resource=article%2F42", wire.BadJSON, "syntax"},
		{"acquire", `{"resource":"article/42","pad":"` + strings.Repeat("x", wire.MaxBody) + `"}`, wire.TooLarge, "65536 bytes"},
		{"acquire", `{"resuorce":"article/42"}`, wire.BadRequest, `"resuorce"`},
		{"acquire", `{}`, wire.BadRequest, `"resource" is missing`},
		{"acquire", `{"resource":42}`, wire.BadRequest, `"resource"`},
		{"acquire", `{"resource":"article/42","wait":51}`, wire.BadRequest, "0 to 50"},
		{"acquire", `{"resource":"article/42","wait":-1}`, wire.BadRequest, "0 to 50"},
		{"acquire", `{"resource":"article/42","wait":1e999}`, wire.BadRequest, `"wait"`},
		{"acquire", `{"resource":"article/42","wait":"5"}`, wire.BadRequest, `"wait"`},
		{"acquire", `{"resource":"article/42","nonce":"short"}`, wire.BadRequest, "22 characters"},
		{"acquire", `{"resource":"article/42","part":"title"}`, wire.BadRequest, `"part"`},
		{"acquire", `{"resource":"article/42","session":"nonsense"}`, wire.ResumeRefused, "session"},
		{"renew", `{}`, wire.BadRequest, `"session" is missing`},
		{"renew", `{"session":"nonsense"}`, wire.ResumeRefused, "session"},
		{"release", `{"resource":"article/42",` + session + `}`, wire.BadRequest, `"fence" is missing`},
		{"release", `{"resource":"article/42",` + session + `,"fence":-1}`, wire.BadRequest, `"fence"`},
		{"release", `{"resource":"article/42",` + session + `,"fence":9007199254740992}`, wire.BadRequest, `"fence"`},
		{"release", `{"resource":"article/42",` + session + `,"fence":1.5}`, wire.BadRequest, `"fence"`},
		{"release", `{"resource":"article/42",` + session + `,"fence":1,"version":"` + strings.Repeat("v", 201) + `"}`, wire.BadRequest, `"version"`},
		{"cancel", `{"resource":"article/42"}`, wire.BadRequest, `"session" is missing`},
		{"changed", `{"resource":"article/42"}`, wire.BadRequest, `"version" is missing`},
		{"changed", `{"resource":"article/42","version":"1","fence":7}`, wire.BadRequest, `"session" is missing`},
		{"changed", `{"resource":"article/42","version":"1",` + session + `}`, wire.BadRequest, `"fence" is missing`},
		{"changed", `{"resource":"article/42","version":"1",` + session + `,"fence":7}`, wire.StaleFence, "ended"},
		{"check", `{}`, wire.BadRequest, `"resource" is missing`},
		{"check", `{"items":[]}`, wire.BadRequest, "1 to 100"},
		{"check", `{"items":[` + strings.Repeat(`{"resource":"a"},`, 100) + `{"resource":"a"}]}`, wire.BadRequest, "1 to 100"},
		{"check", `{"resource":"a","items":[{"resource":"a"}]}`, wire.BadRequest, "either"},
		{"check", `{"items":[{"resource":"a"},{"fence":1}]}`, wire.BadRequest, "item 1"},
		{"force-release", `{"resource":"article/42"}`, wire.BadRequest, `"reason" is missing`},
		{"force-release", `{"resource":"article/42","reason":" "}`, wire.BadRequest, "reason"},
		{"force-release", `{"resource":"article/42","reason":"` + strings.Repeat("x", 257) + `"}`, wire.BadRequest, "256"},
	} {
		if p := a.bad("POST", "/v1/"+c.path, c.body, c.code); !strings.Contains(p.Detail, c.say) {
			t.Errorf("%s %.80s: %q does not say %q", c.path, c.body, p.Detail, c.say)
		}
	}
	for path, say := range map[string]string{
		"/v1/locks?limit=0": "1 to 1000", "/v1/locks?limit=1001": "1 to 1000", "/v1/locks?limit=x": "1 to 1000", "/v1/locks?limit=1&limit=2": "twice",
		"/v1/locks?cursor=%21": "no cursor", "/v1/locks?cursor=Li4": "no cursor", "/v1/locks?prfix=a/": `"prfix"`, "/v1/locks?%zz": "hexadecimal",
		"/v1/history/article/42?cursor=7": "no cursor", "/v1/history/article/42?cursor=..%2F..%2Flock%2Faaa": "no cursor",
		"/v1/history/article/42?since=yesterday": "instant",
	} {
		if p := a.bad("GET", path, nil, wire.BadRequest); !strings.Contains(p.Detail, say) {
			t.Errorf("%s: %q does not say %q", path, p.Detail, say)
		}
	}
	a.bad("GET", "/v1/locks?prefix=article", nil, wire.BadResource)
	a.bad("GET", "/v1/locks/article/42", `{}`, wire.BadRequest)
	if got := a.get(doc42); got.Holder == nil || got.Holder.Fence != g.Fence {
		t.Errorf("%+v", got)
	}
}

// Of a name there is one canonical form, in a body and in an address alike; what is none is refused, and never taken for another.
// Faults: A3
func TestNamesOverHTTP(t *testing.T) {
	w := start(t)
	a := w.asker("ana", rights("edit:**"))
	for _, name := range []string{
		"", strings.Repeat("a", 10_000), "a\x00b", "..", "a/../b", "a/./b", "a//b", "/a", "a/", "article/\u202e24", "article/*", "article/**", "a?b", "a#b", `a\b`,
		"a\u200bb", "a\u2028b", " a", "a\nb", "a\ue000",
	} {
		code := wire.BadResource
		if name == "" {
			code = wire.BadRequest // it is missing
		}
		a.bad("POST", "/v1/acquire", map[string]any{"resource": name}, code)
		for _, path := range []string{"/v1/locks/", "/v1/history/"} {
			a.bad("GET", path+url.PathEscape(name), nil, wire.BadResource)
		}
	}
	for _, path := range []string{"/v1/locks/a/../b", "/v1/locks/a//b", "/v1/locks/%2e%2e/b", "/v1/locks/%ff", "/v1/locks/../openapi.json"} {
		a.bad("GET", path, nil, wire.BadResource)
	}
	g := a.acquire(wire.AcquireCall{Resource: "caf\u0065\u0301/1"})
	if g.Resource != "caf\u00e9/1" {
		t.Errorf("%q", g.Resource)
	}
	for _, path := range []string{"caf%C3%A9/1", "caf%C3%A9%2F1", "cafe%CC%81/1"} {
		if s := a.get(path); s.Resource != g.Resource || s.State != wire.Held {
			t.Errorf("%s: %+v", path, s)
		}
	}
}

// Who has no good access token is refused with 401, whatever is wrong with it, and hears nothing else.
// Faults: A4
func TestTokensOverHTTP(t *testing.T) {
	w := start(t)
	good := access("ana")
	head, rest, _ := strings.Cut(good, ".")
	for name, token := range map[string]string{
		"none": "", "nonsense": "nonsense", "expired": access("ana", expiring(-time.Minute)), "signature cut": good[:len(good)-4],
		"another head": "eyJhbGciOiJub25lIn0." + rest, "no signature": head + "." + strings.Split(rest, ".")[0] + ".",
		"another audience": access("ana", func(m map[string]any) { m["aud"] = "elsewhere" }), "another issuer": access("ana", func(m map[string]any) { m["iss"] = "elsewhere" }),
		"too long": access("ana", func(m map[string]any) { m["name"] = strings.Repeat("x", wire.MaxToken) }),
	} {
		a := w.asker("ana")
		a.token = token
		s := a.do("GET", "/v1/locks/article/42", nil)
		a.problem(s, wire.Unauthenticated)
		if s.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	a := w.asker("ana")
	a.token = ""
	for _, header := range []string{"Basic " + good, good, "bearer"} {
		r, _ := http.NewRequest("GET", "http://"+w.addr+"/v1/locks", nil)
		r.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("%.10s: %s", header, resp.Status)
		}
	}
	// Another's session is of no use, even if it became known.
	ana, eve := w.asker("ana"), w.asker("eve")
	g := ana.acquire(wire.AcquireCall{Resource: doc42})
	for _, path := range []string{"renew", "release", "cancel", "acquire", "changed"} {
		body := map[string]any{"session": g.Session, "resource": doc42, "fence": g.Fence, "version": "1"}
		switch path {
		case "renew":
			body = map[string]any{"session": g.Session}
		case "cancel", "acquire":
			delete(body, "fence")
			delete(body, "version")
		}
		eve.bad("POST", "/v1/"+path, body, wire.ResumeRefused)
	}
	if r := ana.renew(g.Session); len(r.Locks) != 1 {
		t.Errorf("%+v", r)
	}
}

// No page of another origin can ask, nor read what is answered, and headers that could be read in two ways are refused.
// Faults: A7
func TestPagesAndSmuggledHeaders(t *testing.T) {
	w := start(t, func(s *setup) { s.Origins = []string{"https://app.example.com"} })
	a := w.asker("ana")
	for _, origin := range []string{"https://evil.example", "null", "http://" + w.addr + ".evil.example", "file://", "https://app.example.com.evil.example"} {
		a.bad("POST", "/v1/acquire", `{"resource":"article/42"}`, wire.OriginForbidden, "Origin", origin)
		a.bad("GET", "/v1/locks", nil, wire.OriginForbidden, "Origin", origin)
		r, _ := http.NewRequest("OPTIONS", "http://"+w.addr+"/v1/acquire", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Access-Control-Allow-Origin")+resp.Header.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("preflight of %s: %s %v", origin, resp.Status, resp.Header)
		}
	}
	if s := a.do("GET", "/v1/locks", nil, "Origin", "http://"+w.addr); s.StatusCode != 200 || s.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("its own origin: %s", s.Status)
	}
	a.bad("GET", "/v1/locks", nil, wire.BadRequest, "Origin", "http://"+w.addr, "Origin", "https://app.example.com")
	a.bad("GET", "/v1/locks", nil, wire.BadRequest, "Authorization", "Bearer "+access("eve"))
	a.bad("POST", "/v1/acquire", `{"resource":"article/42"}`, wire.BadRequest, "Content-Type", "application/json", "Content-Type", "text/plain")

	// What two servers in a row could take for one request or for two is none.
	for _, lines := range []string{
		"Content-Length: 5\r\nContent-Length: 6", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: identity", "Content-Length: +5", "Content-Length : 5",
		"Authorization: Bearer " + a.token + "\r\n Origin: https://evil.example",
	} {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "POST /v1/acquire HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n0\r\n\r\nGET /v1/locks HTTP/1.1\r\nHost: x\r\n\r\n", w.addr, lines)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode < 400 || resp.StatusCode == 401 && strings.Contains(lines, "Content") {
			t.Errorf("%q: %s %s", lines, resp.Status, body)
		}
		_ = conn.Close()
	}
	if got := a.get(doc42); got.State != wire.Free {
		t.Errorf("%+v", got)
	}
}

// Whoever may not see a resource learns nothing of it: not whether it exists, is held, or has a history, nor by a list or its cursors.
// Faults: A11
func TestUniformAnswersOverHTTP(t *testing.T) {
	w := start(t)
	boss, eve := w.asker("boss", rights("edit:**")), w.asker("eve", rights("edit:article/*"))
	boss.acquire(wire.AcquireCall{Resource: "secret/held"})
	boss.release(boss.acquire(wire.AcquireCall{Resource: "secret/past"}))
	for i := range 3 {
		boss.acquire(wire.AcquireCall{Resource: fmt.Sprintf("article/%d", i)})
		boss.acquire(wire.AcquireCall{Resource: fmt.Sprintf("article/%d/secret", i)})
	}
	for _, c := range []struct {
		method, path string
		in           any
	}{
		{"GET", "/v1/locks/NAME", nil}, {"GET", "/v1/history/NAME", nil}, {"POST", "/v1/acquire", map[string]any{"resource": "NAME"}},
		{"POST", "/v1/acquire", map[string]any{"resource": "NAME", "wait": 5}}, {"POST", "/v1/check", map[string]any{"resource": "NAME", "fence": 7}},
		{"POST", "/v1/check", map[string]any{"items": []map[string]any{{"resource": "article/1"}, {"resource": "NAME"}}}},
		{"POST", "/v1/force-release", map[string]any{"resource": "NAME", "reason": "x"}}, {"POST", "/v1/changed", map[string]any{"resource": "NAME", "version": "1"}},
		{"POST", "/v1/release", map[string]any{"resource": "NAME", "session": "x", "fence": 7}}, {"POST", "/v1/cancel", map[string]any{"resource": "NAME", "session": "x"}},
	} {
		answers := map[string]bool{}
		for _, name := range []string{"secret/held", "secret/past", "secret/none"} {
			in := c.in
			if in != nil {
				in = strings.ReplaceAll(mustJSON(in), "NAME", name)
			}
			s := eve.do(c.method, strings.ReplaceAll(c.path, "NAME", name), in)
			eve.problem(s, wire.Forbidden)
			answers[strings.ReplaceAll(string(s.body), name, "NAME")] = true
		}
		if len(answers) != 1 {
			t.Errorf("%s %s tells more than that it may not: %v", c.method, c.path, answers)
		}
	}
	eve.bad("GET", "/v1/locks?prefix=secret/", nil, wire.Forbidden)
	var names []string
	for cursor := ""; ; {
		l := good[wire.LockList](eve, "GET", "/v1/locks?limit=1&cursor="+cursor, nil)
		for _, s := range l.Locks {
			names = append(names, s.Resource)
		}
		if cursor = l.Cursor; cursor == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "article/0 article/1 article/2" {
		t.Errorf("eve sees %s", got)
	}
	boss.bad("POST", "/v1/force-release", wire.ForceCall{Resource: "secret/held", Reason: "x"}, wire.Forbidden)
}

// Addresses that there are not, and methods.
func TestUnknownAddresses(t *testing.T) {
	w := start(t)
	a := w.asker("ana")
	for _, path := range []string{"/v1/", "/v1/lock", "/v1/acquire/", "/v1"} {
		s := a.do("GET", path, nil)
		if s.StatusCode != 404 {
			t.Errorf("%s: %s", path, s.Status)
		}
	}
	a.bad("POST", "/v1/nothing", `{}`, wire.NotFound)
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/v1/acquire", "POST"}, {"DELETE", "/v1/locks/article/42", "GET, HEAD"}, {"POST", "/v1/history/a", "GET, HEAD"}, {"PUT", "/v1/bye", "POST"}, {"POST", "/v1/openapi.json", "GET, HEAD"},
		{"HEAD", "/v1/acquire", "POST"},
	} {
		if s := a.do(c.method, c.path, nil); s.StatusCode != 405 || s.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %s, Allow %q", c.method, c.path, s.Status, s.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/v1/locks", "/v1/locks/article/42", "/v1/history/article/42", "/v1/openapi.json"} {
		got, head := a.do("GET", path, nil), a.do("HEAD", path, nil)
		if head.StatusCode != 200 || len(head.body) > 0 || head.Header.Get("Content-Type") != got.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %s, %q", path, head.Status, head.body)
		}
	}
}
