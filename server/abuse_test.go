package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// Whatever a client sends, it is closed with the right code, and nobody's lock suffers.
// Faults: A1
func TestHostileFrames(t *testing.T) {
	w := start(t)
	w.page("ana").hold("article/42")
	long := strings.Repeat("x", 1<<20)
	cut := frame(textFrame, []byte(strings.Repeat("x", wire.MaxMessage+1)))
	negative := append([]byte{textFrame, 0x80 | 127}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0, 1, 2, 3, 4)
	huge := append([]byte{textFrame, 0x80 | 127}, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4)
	half := strings.Repeat("x", 10_000)
	join := func(frames ...[]byte) (all []byte) {
		for _, f := range frames {
			all = append(all, f...)
		}
		return all
	}
	want := map[uint16]int{}
	for name, c := range map[string]struct {
		bytes []byte
		code  uint16
	}{
		"1 MB":                        {frame(textFrame, []byte(long)), wire.CloseTooBig},
		"one byte too long":           {cut, wire.CloseTooBig},
		"only the head of a long one": {cut[:8], wire.CloseTooBig},
		"2^63-1 bytes":                {huge, wire.CloseTooBig},
		"a negative length":           {negative, wire.CloseInternal},
		"fragments that sum up":       {join(frame(0x01, []byte(half)), frame(0x00, []byte(half))), wire.CloseTooBig},
		"bad UTF-8":                   {frame(textFrame, []byte("{\"id\":1,\"type\":\"bye\",\"x\":\"\xff\"}")), wire.CloseBadText},
		"bad UTF-8 across fragments":  {join(frame(0x01, []byte("\xc3")), frame(0x80, []byte("\xff"))), wire.CloseBadText},
		"a surrogate":                 {frame(textFrame, []byte("\xed\xa0\x80")), wire.CloseBadText},
		"compressed":                  {frame(0xc1, []byte{0xab, 0x56, 0x0a}), wire.CloseProtocol},
		"RSV2":                        {frame(0xa1, []byte("{}")), wire.CloseProtocol},
		"unknown opcode":              {frame(0x83, []byte("{}")), wire.CloseProtocol},
		"unknown control":             {frame(0x8b, nil), wire.CloseProtocol},
		"not masked":                  {[]byte{textFrame, 2, '{', '}'}, wire.CloseProtocol},
		"a fragmented ping":           {frame(0x09, []byte("x")), wire.CloseProtocol},
		"a ping of 126 bytes":         {frame(pingFrame, []byte(half[:126])), wire.CloseProtocol},
		"a continuation of nothing":   {frame(0x80, []byte("{}")), wire.CloseProtocol},
		"a message within a message":  {join(frame(0x01, []byte("{")), frame(textFrame, []byte("{}"))), wire.CloseProtocol},
		"binary":                      {frame(binaryFrame, []byte("{}")), wire.CloseBinary},
		"ping flood":                  {[]byte(strings.Repeat(string(frame(pingFrame, []byte("x"))), 500)), wire.CloseTooMany},
		"pong flood":                  {[]byte(strings.Repeat(string(frame(0x8a, nil)), 500)), wire.CloseTooMany},
		"endless empty fragments": {append(frame(0x01, nil),
			strings.Repeat(string(frame(0x00, nil)), 1<<18)...), wire.CloseTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.rawSocket()
			r.TB = t
			want[c.code]++
			go func() { _, _ = r.Write(c.bytes) }() // it may be closed before all is written
			r.wantClose(c.code)
		})
	}
	w.holds("article/42", "ana")
	for code, n := range w.s.Stats().Closed {
		if n != int64(want[code]) {
			t.Errorf("%d closings with %d are counted, want %d", n, code, want[code])
		}
	}
	if n := w.s.Stats().Panics; n != 1 {
		t.Errorf("%d panics were noted; the library has one, on a negative length", n)
	}
}

// A fragmented message is a message all the same.
func TestFragments(t *testing.T) {
	w := start(t)
	r := w.rawSocket()
	hello := fmt.Sprintf(`{"id":1,"type":"hello","token":%q,"nonce":%q}`, access("ana"), nonce())
	for i, first := 0, byte(0x01); i < len(hello); i, first = i+50, 0 {
		end := min(i+50, len(hello))
		if end == len(hello) {
			first |= fin
		}
		_, _ = r.Write(append(frame(first, []byte(hello[i:end])), frame(pingFrame, nil)...))
	}
	for {
		first, payload, err := r.readFrame()
		if err != nil {
			t.Fatal(err)
		}
		if first == fin|0xa {
			continue
		}
		if f, err := wire.DecodeReply(payload); err != nil || f.Kind() != "welcome" {
			t.Fatalf("%s, %v", payload, err)
		}
		return
	}
}

// Faults: A2
func TestMalformedMessages(t *testing.T) {
	w := start(t)
	w.page("ana").hold("article/42")
	malformed := map[string]string{
		"not JSON":       "unlock everything",
		"cut off":        `{"id":2,"type":"release"`,
		"duplicate keys": `{"id":2,"type":"release","resource":"article/42","fence":1,"fence":2}`,
		"an array":       `[{"id":2,"type":"bye"}]`,
		"deep":           `{"id":2,"type":"bye","x":` + strings.Repeat(`{"x":`, 2000) + "1" + strings.Repeat("}", 2001),
	}
	if way == "" {
		malformed["empty"] = "" // in a post, an empty line is none
	}
	for name, text := range malformed {
		t.Run(name, func(t *testing.T) {
			c := w.page("eve")
			c.TB = t
			c.sendText(text)
			c.refused(0, wire.BadJSON)
			c.closedWith(wire.CloseBadMessage)
		})
	}
	t.Run("binary", func(t *testing.T) {
		c := w.page("eve")
		socket, ok := c.line.(socketLine)
		if !ok {
			return // a post knows nothing else but text
		}
		_ = socket.WriteMessage(2, []byte(`{"id":2,"type":"bye"}`))
		c.refused(0, wire.BadFrame)
		c.closedWith(wire.CloseBinary)
	})
	t.Run("unknown requests", func(t *testing.T) {
		c := w.page("eve")
		for i := 1; i < 10; i++ {
			c.sendText(fmt.Sprintf(`{"id":%d,"type":"force_unlock","resource":"article/42"}`, i))
			c.refused(int64(i), wire.BadRequest)
		}
		c.ok(&wire.Watch{ID: 77, Target: target("article/42")}) // one that is good ends the row
		for i := 1; i <= 10; i++ {
			c.sendText(fmt.Sprintf(`{"id":%d,"type":"force_unlock"}`, i))
			c.refused(int64(i), wire.BadRequest)
		}
		c.closedWith(wire.CloseBadMessage)
	})
	t.Run("a foreign lock", func(t *testing.T) {
		c := w.page("eve")
		watched := c.ok(&wire.Watch{ID: 1, Target: target("article/42")}).Snapshot
		c.ok(&wire.Release{ID: 2, Target: target("article/42"), Fence: watched.Revision})
		c.ok(&wire.Cancel{ID: 3, Target: target("article/42")})
		c.fails(&wire.Changed{ID: 4, Target: target("article/42"), Fence: 1, Version: "x"}, wire.StaleFence)
		c.ok(&wire.Release{ID: 5, Target: target("article/nobody-knows"), Fence: 1})
	})
	w.holds("article/42", "ana")
}

// Faults: A3
func TestResourceNamesOverTheSocket(t *testing.T) {
	w := start(t, fast)
	c := w.page("eve")
	for _, name := range []string{
		"article/" + strings.Repeat("x", 10_000), "article/\x00", "article/..", "../article/42", "article//42", "article/*", "article/**",
		"article/\u202e24", "article/4\u200b2", "article/ 42", "article/42#title", "article/\ue000", "/", "article/",
	} {
		for _, r := range []wire.Request{
			&wire.Acquire{ID: c.nextID(), Target: target(name)},
			&wire.Watch{ID: c.nextID(), Target: target(name)},
		} {
			e := c.fails(r, wire.BadResource)
			if len(e.Message) > 300 {
				t.Errorf("%.20q: an answer of %d bytes", name, len(e.Message))
			}
		}
	}
	if got := c.ok(&wire.Acquire{ID: c.nextID(), Target: target("article/cafe\u0301")}).Snapshot; got.Resource != "article/caf\u00e9" {
		t.Errorf("the canonical form is %q", got.Resource)
	}
	c.fails(&wire.Watch{ID: c.nextID(), Prefix: ptr("article")}, wire.BadResource)
	c.fails(&wire.Acquire{ID: c.nextID(), Target: wire.Target{Resource: "article/42", Part: "title"}}, wire.Unsupported)
}

// Faults: A7
func TestHandshake(t *testing.T) {
	w := start(t, func(o *setup) { o.Origins = []string{"https://app.example.com"} })
	const key = "AAECAwQFBgcICQoLDA0ODw=="
	for name, c := range map[string]struct {
		change func(h map[string]string)
		extra  string
		status int
	}{
		"good":                            {nil, "", 101},
		"good, same origin":               {nil, "Origin: http://" + w.addr + "\r\n", 101},
		"good, an allowed origin":         {nil, "Origin: https://app.example.com\r\n", 101},
		"good, keep-alive, upgrade":       {func(h map[string]string) { h["Connection"] = "keep-alive, Upgrade" }, "", 101},
		"good, several subprotocols":      {func(h map[string]string) { h["Sec-WebSocket-Protocol"] = "other, editlock.v1" }, "", 101},
		"good, two lines of subprotocols": {func(h map[string]string) { h["Sec-WebSocket-Protocol"] = "other" }, "Sec-WebSocket-Protocol: editlock.v1\r\n", 101},
		"good, two lines of connection":   {func(h map[string]string) { h["Connection"] = "keep-alive" }, "Connection: upgrade\r\n", 101},
		"good, offers compression":        {nil, "Sec-WebSocket-Extensions: permessage-deflate\r\n", 101},
		"a foreign origin":                {nil, "Origin: https://attacker.example\r\n", 403},
		"origin with our name before":     {nil, "Origin: https://app.example.com.attacker.example\r\n", 403},
		"origin with our name behind":     {nil, "Origin: https://attacker-app.example.com\r\n", 403},
		"origin of another scheme":        {nil, "Origin: http://app.example.com\r\n", 403},
		"origin of another port":          {nil, "Origin: https://app.example.com:444\r\n", 403},
		"origin null":                     {nil, "Origin: null\r\n", 403},
		"origin empty":                    {nil, "Origin: \r\n", 403},
		"origin with a user":              {nil, "Origin: http://x@" + w.addr + "\r\n", 403},
		"origin with a path":              {nil, "Origin: http://" + w.addr + "/x\r\n", 403},
		"origin with bytes":               {nil, "Origin: http://" + w.addr + "\x85\r\n", 403},
		"origin of a file":                {nil, "Origin: file://" + w.addr + "\r\n", 403},
		"two origins":                     {nil, "Origin: http://" + w.addr + "\r\nOrigin: https://attacker.example\r\n", 400},
		"two origins in one":              {nil, "Origin: http://" + w.addr + ", https://attacker.example\r\n", 403},
		"origin with a control":           {nil, "Origin: http://" + w.addr + "\x0b\r\n", 400},
		"origin with a file mark":         {nil, "Origin: http://" + w.addr + "\x1c\r\n", 400},
		"space before the colon":          {nil, "Origin : http://" + w.addr + "\r\n", 400},
		"folded header":                   {nil, "X-A: b\r\n Origin: http://" + w.addr + "\r\n", 101}, // a value of X-A, and nothing more
		"no subprotocol":                  {func(h map[string]string) { delete(h, "Sec-WebSocket-Protocol") }, "", 400},
		"another subprotocol":             {func(h map[string]string) { h["Sec-WebSocket-Protocol"] = "editlock.v2" }, "", 400},
		"no upgrade":                      {func(h map[string]string) { delete(h, "Upgrade") }, "", 400},
		"no connection":                   {func(h map[string]string) { h["Connection"] = "keep-alive" }, "", 400},
		"upgrade to two things":           {func(h map[string]string) { h["Upgrade"] = "websocket, h2c" }, "", 400},
		"two upgrades":                    {nil, "Upgrade: h2c\r\n", 400},
		"version 8":                       {func(h map[string]string) { h["Sec-WebSocket-Version"] = "8" }, "", 426},
		"no key":                          {func(h map[string]string) { delete(h, "Sec-WebSocket-Key") }, "", 400},
		"a short key":                     {func(h map[string]string) { h["Sec-WebSocket-Key"] = "AAEC" }, "", 400},
		"two keys":                        {nil, "Sec-WebSocket-Key: " + key + "\r\n", 400},
		"a body":                          {nil, "Content-Length: 5\r\n", 400},
		"a chunked body":                  {nil, "Transfer-Encoding: chunked\r\n", 400},
		"two lengths":                     {nil, "Content-Length: 0\r\nContent-Length: 5\r\n", 400},
		"two hosts":                       {nil, "Host: attacker.example\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			h := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, "Sec-WebSocket-Protocol": "editlock.v1"}
			if c.change != nil {
				c.change(h)
			}
			text := "GET /v1/socket HTTP/1.1\r\nHost: " + w.addr + "\r\n"
			for k, v := range h {
				text += k + ": " + v + "\r\n"
			}
			r := w.rawDial()
			r.TB = t
			resp := r.request(text + c.extra + "\r\n")
			if resp.StatusCode != c.status {
				body, _ := io.ReadAll(resp.Body)
				t.Fatalf("%s %s, want %d", resp.Status, body, c.status)
			}
			if resp.StatusCode == 101 {
				if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != wire.Subprotocol {
					t.Errorf("subprotocol %q", got)
				}
				if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
					t.Errorf("extensions %q", got)
				}
				return
			}
			if resp.Header.Get("Content-Type") == wire.ProblemType {
				var p wire.Problem
				if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Code == "" || p.Detail == "" || p.Status != c.status {
					t.Errorf("%+v, %v", p, err)
				}
			}
		})
	}
	t.Run("a frame before the answer", func(t *testing.T) {
		r := w.rawDial()
		r.TB = t
		resp := r.request("GET /v1/socket HTTP/1.1\r\nHost: " + w.addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Protocol: editlock.v1\r\n\r\n" + string(frame(textFrame, []byte("{}"))))
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s", resp.Status)
		}
	})
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		resp := w.rawDial().request(method + " /v1/socket HTTP/1.1\r\nHost: " + w.addr + "\r\nContent-Length: 0\r\n\r\n")
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
	if n := w.s.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// narrow makes the kernel hold little for a client that does not read.
func narrow(o *setup) {
	o.listen = func(l net.Listener) net.Listener { return narrowListener{l} }
}

type narrowListener struct{ net.Listener }

func (l narrowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

func fast(o *setup) { o.Rate, o.Burst = 100_000, 100_000 }

// Faults: A8
func TestSlowReader(t *testing.T) {
	log := newLog("reads too slowly")
	w := start(t, narrow, fast, func(o *setup) { o.Outbox, o.WriteTimeout, o.Logger = 64<<10, patience, log.logger() })
	slow := w.deafHolder()
	stop := w.chatter()
	for conn := int64(0); conn != 1; { // the first connection is the slow one
		recv(t, log.found, "the cut").Attrs(func(a slog.Attr) bool {
			conn = a.Value.Int64()
			return false
		})
	}
	stop()
	slow.wantClose(wire.CloseTooSlow) // it reads at last, and learns why
	w.holds("article/42", "slow")
}

// Faults: A8
func TestReaderThatNeverReads(t *testing.T) {
	w := start(t, narrow, fast, func(o *setup) { o.WriteTimeout = time.Second })
	slow := w.deafHolder()
	stop := w.chatter()
	for { // until its writes fail
		if _, err := slow.Write(frame(pingFrame, nil)); err != nil {
			break
		}
	}
	stop()
	w.holds("article/42", "slow")
}

// waitHeld waits until somebody holds a resource.
func (w *world) waitHeld(resource, user string) {
	w.Helper()
	c := w.page("observer")
	s := c.ok(&wire.Watch{ID: c.nextID(), Target: target(resource)}).Snapshot
	if s.Holder == nil || s.Holder.User != user {
		c.pushed(resource, func(s *wire.Snapshot) bool { return s.Holder != nil && s.Holder.User == user })
	}
	c.line.close()
}
