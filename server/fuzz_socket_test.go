package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/editlock/editlock/wire"
)

// FuzzFrames sends any bytes where frames are expected, before and after a hello. Nobody else loses anything, the connection ends, and what the
// server says is always the protocol.
//
// Faults: A1, A2
func FuzzFrames(f *testing.F) {
	text := func(s string) []byte { return frame(textFrame, []byte(s)) }
	f.Add(true, text(`{"id":2,"type":"acquire","resource":"article/1"}`))
	f.Add(true, slices.Concat(text(`{"id":2,"type":"watch","prefix":""}`), frame(pingFrame, []byte("x")), frame(0x88, []byte{3, 232})))
	f.Add(true, slices.Concat(frame(0x01, []byte(`{"id":2,`)), frame(pingFrame, nil), frame(0x80, []byte(`"type":"bye"}`))))
	f.Add(false, text(`{"id":1,"type":"hello","token":"x","nonce":"AAECAwQFBgcICQoLDA0ODw"}`))
	f.Add(false, []byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Add(false, []byte{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Add(false, []byte{0xc1, 0x80, 1, 2, 3, 4})
	f.Add(false, []byte{0x88, 0x81, 0, 0, 0, 0, 3})
	f.Add(true, text("{\"id\":1,\"type\":\"bye\",\"x\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, greeted bool, data []byte) {
		inBubble(t, func(b *bubble) {
			p := b.socket()
			if greeted && p.hello("eve", "") == nil {
				t.Fatal("no welcome")
			}
			_, _ = p.Write(data) // it may be closed before all is written
			synctest.Wait()
			_ = p.Close()
			<-p.closed
		})
	})
}

// FuzzRequest sends any bytes as an HTTP request. What comes back is an answer in words, or none.
//
// Faults: A7, A10
func FuzzRequest(f *testing.F) {
	f.Add([]byte(upgrade))
	f.Add([]byte("POST /v1/bye HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"resume\":\"AA\"}"))
	f.Add([]byte("POST /v1/bye HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"res\r\n0\r\n\r\n"))
	f.Add([]byte("GET /readyz HTTP/1.0\r\n\r\n"))
	f.Add([]byte("POST /v1/stream/AAECAwQFBgcICQoLDA0ODw HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\n{\"open\":\"stream\"}\n"))
	f.Add([]byte("POST /v1/stream/AAECAwQFBgcICQoLDA0ODw HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 59\r\n\r\n{\"open\":\"poll\"}\n{\"id\":1,\"type\":\"hello\",\"token\":\"x\"}\n      "))
	f.Add([]byte("POST /v1/acquire HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}"))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("GET /v1/../healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte(strings.Replace(upgrade, "Host: lock", "Origin: https://attacker.example\r\nHost: lock", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		inBubble(t, func(b *bubble) {
			p, resp := b.dial(string(data))
			if resp != nil {
				if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusNotImplemented && resp.StatusCode != http.StatusHTTPVersionNotSupported {
					t.Errorf("%q is answered with %s", data, resp.Status)
				}
				if resp.StatusCode == http.StatusSwitchingProtocols {
					r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
					if err != nil {
						t.Errorf("%q is let in, and no request: %v", data, err)
					} else if o := r.Header.Values("Origin"); len(o) > 1 || len(o) == 1 && !strings.EqualFold(strings.TrimSuffix(o[0], ":80"), "http://"+strings.TrimSuffix(r.Host, ":80")) && !strings.EqualFold(strings.TrimSuffix(o[0], ":443"), "https://"+strings.TrimSuffix(r.Host, ":443")) {
						t.Errorf("%q is let in by the origin %q", data, o)
					}
				} else if body, err := io.ReadAll(resp.Body); err == nil && resp.Header.Get("Content-Type") == wire.ProblemType && (!utf8.Valid(body) || !bytes.Contains(body, []byte(`"detail":"`))) {
					t.Errorf("%q is answered with %q", data, body)
				}
			}
			_ = p.Close()
		})
	})
}

// FuzzConversation: three pages say whatever they like, vanish, come back and let time pass. Every request is answered once, and the history
// of each resource is one of holders that followed one another.
//
// A line of the script begins with the number of the page. What follows is what it says; "+" and a number lets seconds pass,
// "!" cuts its connection, "<" brings it back with its session, "$" stands for the last fence it was granted.
//
// Faults: A2, Q3, Q7, B12
func FuzzConversation(f *testing.F) {
	acquire := `{"id":%d,"type":"acquire","resource":"article/1"}`
	f.Add("0" + fmt.Sprintf(acquire, 2) + "\n1" + fmt.Sprintf(acquire, 2) + "\n0{\"id\":3,\"type\":\"confirm\",\"resource\":\"article/1\",\"fence\":$}\n0{\"id\":4,\"type\":\"release\",\"resource\":\"article/1\",\"fence\":$}\n1{\"id\":5,\"type\":\"cancel\",\"resource\":\"article/1\"}")
	f.Add("0" + fmt.Sprintf(acquire, 2) + "\n0!\n1" + fmt.Sprintf(acquire, 2) + "\n1+12\n0<\n0{\"id\":3,\"type\":\"release\",\"resource\":\"article/1\",\"fence\":$}")
	f.Add("0{\"id\":2,\"type\":\"watch\",\"prefix\":\"article/\"}\n1" + fmt.Sprintf(acquire, 2) + "\n1{\"id\":3,\"type\":\"bye\"}\n0+6\n2" + fmt.Sprintf(acquire, 2) + "\n0{\"id\":4,\"type\":\"unwatch\",\"prefix\":\"article/\"}")
	f.Add("0" + fmt.Sprintf(acquire, 2) + "\n0{\"id\":3,\"type\":\"changed\",\"resource\":\"article/1\",\"fence\":$,\"version\":\"2\"}\n0{\"id\":3,\"type\":\"token\",\"token\":\"x\"}")
	f.Add("2{\"id\":2,\"type\":\"acquire\",\"resource\":\"article/1\",\"wait\":false,\"move\":true}\n2!\n2<\n2!\n2<\n0" + fmt.Sprintf(acquire, 2))
	f.Fuzz(func(t *testing.T, script string) {
		inBubble(t, func(b *bubble) {
			pages := []*speaker{{user: "ana"}, {user: "ben"}, {user: "ana"}}
			for _, p := range pages {
				p.connect(b)
			}
			lines := strings.Split(script, "\n")
			for _, line := range lines[:min(len(lines), 40)] {
				if len(line) < 2 || line[0] < '0' || line[0] > '2' {
					continue
				}
				p, text := pages[line[0]-'0'], line[1:]
				switch n := 0; {
				case text == "!":
					p.cut()
				case text == "<":
					p.connect(b)
				case text[0] == '+':
					if _, err := fmt.Sscanf(text[1:], "%d", &n); err == nil && n > 0 && n <= 60 {
						<-time.After(time.Duration(n) * time.Second)
					}
				default:
					p.ask(b, text)
				}
				synctest.Wait()
			}
			for _, name := range []string{"article/1", "article/2", "article/42"} {
				succession(b, name)
			}
			for _, p := range pages {
				p.cut()
			}
		})
	})
}

// speaker is one page of a conversation.
type speaker struct {
	user   string
	resume string
	fence  int64
	pipe   *pipe
}

func (s *speaker) cut() {
	if s.pipe != nil {
		_ = s.pipe.Close()
		<-s.pipe.closed
		s.pipe = nil
	}
}

func (s *speaker) connect(b *bubble) {
	s.cut()
	s.pipe = b.socket()
	w := s.pipe.hello(s.user, s.resume)
	if w == nil {
		s.cut()
		return
	}
	s.resume = w.Resume
}

// ask sends a request, and wants one answer to it.
func (s *speaker) ask(b *bubble, text string) {
	if s.pipe == nil {
		return
	}
	text = strings.ReplaceAll(text, "$", fmt.Sprint(s.fence))
	r, refused := wire.DecodeRequest([]byte(text))
	id := int64(0)
	if refused == nil {
		id = r.RequestID()
	}
	p := s.pipe
	p.mu.Lock()
	before := p.answers[id]
	p.mu.Unlock()
	p.say(text)
	for i := 0; id != 0 && i < 1000 && !p.answered(id, before); i++ {
		select {
		case <-p.closed:
			i = 1000
		case <-time.After(20 * time.Millisecond):
		}
	}
	synctest.Wait()
	for {
		select {
		case f := <-p.frames:
			var own *wire.Mine
			switch f := f.(type) {
			case *wire.OK:
				if f.Snapshot != nil {
					own = f.Snapshot.Mine
				}
			case *wire.Snapshot:
				own = f.Mine
			}
			if own != nil && own.Fence != 0 {
				s.fence = own.Fence
			}
			continue
		default:
		}
		break
	}
	select {
	case <-p.closed: // then it need not be answered
		s.cut()
		return
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := p.answers[id] - before; id != 0 && got != 1 {
		b.t.Errorf("%s was answered %d times", text, got)
	}
}

func (p *pipe) answered(id int64, before int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers[id] > before
}

// succession: in the history of a resource a holding ends before the next begins, and fences rise.
func succession(b *bubble, name string) {
	entries, _, err := b.m.History(b.t.Context(), name, "", 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	var holder, last int64
	for _, e := range entries {
		if e.Ended != nil {
			if e.Ended.Fence != holder || e.Ended.Reason == "" {
				b.t.Fatalf("%s: fence %d ended (%s) while %d held", name, e.Ended.Fence, e.Ended.Reason, holder)
			}
			holder = 0
		}
		if e.Granted != nil {
			if holder != 0 || e.Granted.Fence <= last || e.Granted.Fence != e.Revision {
				b.t.Fatalf("%s: fence %d was granted while %d held, after %d", name, e.Granted.Fence, holder, last)
			}
			holder, last = e.Granted.Fence, e.Granted.Fence
		}
	}
}
