package server_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// stream is a client that writes each request by itself.
type stream struct {
	testing.TB
	base   string
	http   *http.Client
	name   string
	key    string
	answer *http.Response
	events *wire.Events
}

func streamName() string {
	var random [16]byte
	_, _ = rand.Read(random[:])
	return wire.NewStreamName(random)
}

func (w *world) stream(open string, frames ...string) *stream {
	w.Helper()
	s := &stream{TB: w.TB, base: "http://" + w.addr, name: streamName(), http: &http.Client{Transport: &http.Transport{}}}
	s.open(open, frames...)
	return s
}

func (s *stream) open(open string, frames ...string) {
	s.Helper()
	resp := s.do(head(wire.StreamHead{Open: open}, frames...))
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != wire.StreamType || resp.Header.Get("Content-Encoding") != "" ||
		resp.Header.Get("Cache-Control") != "no-store, no-transform" || resp.Header.Get("X-Accel-Buffering") != "no" {
		s.Fatalf("opening: %s %v", resp.Status, resp.Header)
	}
	s.answer, s.events = resp, wire.NewEvents(resp.Body)
	name, data := s.next()
	var opened wire.StreamOpen
	if err := json.Unmarshal(data, &opened); err != nil || name != wire.EventOpen || len(opened.Key) < 22 {
		s.Fatalf("the first event: %s %s", name, data)
	}
	s.key = opened.Key
}

func head(h wire.StreamHead, frames ...string) string {
	var list [][]byte
	for _, f := range frames {
		list = append(list, []byte(f))
	}
	return string(wire.EncodePost(h, list...))
}

func (s *stream) do(body string, header ...string) *http.Response {
	s.Helper()
	r, err := http.NewRequest(http.MethodPost, s.base+"/v1/stream/"+s.name, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := s.http.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// post wants a status, and for a refusal its code.
func (s *stream) post(number int64, status int, frames ...string) {
	s.Helper()
	s.wants(s.do(head(wire.StreamHead{Key: s.key, Post: number}, frames...)), status, "")
}

func (s *stream) wants(resp *http.Response, status int, code wire.Code) {
	s.Helper()
	body, _ := io.ReadAll(resp.Body)
	var p wire.Problem
	if resp.StatusCode != http.StatusNoContent {
		if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" || resp.Header.Get("Content-Type") != wire.ProblemType {
			s.Errorf("a refusal that is no problem: %s %s", resp.Status, body)
		}
	}
	if resp.StatusCode != status || code != "" && p.Code != code {
		s.Errorf("answered %s %s, want %d %s", resp.Status, body, status, code)
	}
}

func (s *stream) next() (string, []byte) {
	s.Helper()
	name, data, err := s.events.Next()
	if err != nil {
		s.Fatal(err)
	}
	return name, data
}

// frame reads on to the answer of a request.
func (s *stream) frame(id int64) wire.Frame {
	s.Helper()
	for {
		_, data := s.next()
		f, err := wire.DecodeReply(data)
		if err != nil {
			s.Fatal(err)
		}
		if strings.Contains(string(data), fmt.Sprintf(`"id":%d`, id)) {
			return f
		}
	}
}

// reply reads on to what is neither news nor a ping: these come in their own time.
func (s *stream) reply() (name string, data []byte) {
	s.Helper()
	for {
		name, data = s.next()
		f, err := wire.DecodeReply(data)
		if name != wire.EventMessage || err != nil || f.Kind() != "snapshot" && f.Kind() != "ping" {
			return name, data
		}
	}
}

func (w *world) gone(what string) {
	w.Helper()
	w.until(what, func() bool { return w.s.Stats().Connections == 0 })
}

// What is no request of a stream is refused with words, and disturbs nobody.
// Faults: A2, A10
func TestStreamRefusals(t *testing.T) {
	w := start(t, func(o *setup) { o.Origins = []string{"https://app.example.com"} })
	s := w.stream("stream", hello(1))
	s.frame(1)
	other := &stream{TB: t, base: s.base, http: s.http, name: streamName()}
	open := head(wire.StreamHead{Open: "stream"})
	s.wants(other.do("not json\n"), 400, wire.BadHandshake)
	s.wants(other.do(""), 400, wire.BadHandshake)
	s.wants(other.do(hello(1)+"\n"), 400, wire.BadHandshake)
	s.wants(other.do(open, "Origin", "https://attacker.example"), 403, wire.OriginForbidden)
	s.wants(other.do(open, "Origin", "https://app.example.com", "Origin", "https://attacker.example"), 400, wire.BadHandshake)
	s.wants(other.do(head(wire.StreamHead{Key: s.key, Post: 1})), 404, wire.NoStream)
	s.wants(other.do(strings.Repeat("x", wire.MaxPost+1)), 413, wire.BadHandshake)
	for _, name := range []string{"short", strings.Repeat("A", 23), "AAECAwQFBgcICQoLDA0OD%2F"} {
		bad := &stream{TB: t, base: s.base, http: s.http, name: name}
		s.wants(bad.do(open), 400, wire.BadHandshake)
	}
	s.wants(s.do(open), 409, wire.BadHandshake)
	s.wants(s.do(head(wire.StreamHead{Key: s.key[1:] + "x", Post: 1}, `{"id":2,"type":"bye"}`)), 404, wire.NoStream)
	s.wants(s.do(head(wire.StreamHead{Key: s.key, Post: 2}, `{"id":2,"type":"bye"}`)), 409, wire.BadHandshake)
	s.post(1, 204, `{"id":2,"type":"watch","resource":"article/42"}`)
	if f, ok := s.frame(2).(*wire.OK); !ok || f.Snapshot == nil {
		t.Errorf("after all that: %+v", f)
	}
	// An origin that is allowed may read the answers, refusals too.
	allowed := s.do(head(wire.StreamHead{Key: s.key, Post: 9}), "Origin", "https://app.example.com")
	if allowed.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || !strings.Contains(allowed.Header.Get("Vary"), "Origin") {
		t.Errorf("headers for an origin that is allowed: %v", allowed.Header)
	}
	if n := w.s.Stats(); n.Connections != 1 || n.Panics != 0 {
		t.Errorf("%+v", n)
	}
}

// A post that comes again does nothing: not the late copy of a cancel either, which would cost a place in the queue.
// Faults: W6
func TestStreamRepeatedPost(t *testing.T) {
	w := start(t)
	w.page("ana").hold("article/42")
	s := w.stream("stream", hello(1))
	s.frame(1)
	acquire := func(id int) string { return fmt.Sprintf(`{"id":%d,"type":"acquire","resource":"article/42"}`, id) }
	cancel := `{"id":3,"type":"cancel","resource":"article/42"}`
	s.post(1, 204, acquire(2))
	s.post(2, 204, cancel)
	s.post(3, 204, acquire(4))
	s.post(2, 204, cancel)
	s.post(3, 204, acquire(4))
	s.post(4, 204, `{"id":5,"type":"watch","resource":"article/42"}`)
	if got := s.frame(4).(*wire.OK).Snapshot; got.Mine == nil || got.Mine.State != "waiting" {
		t.Fatalf("%+v", got.Mine)
	}
	name, data := s.reply()
	f, err := wire.DecodeReply(data)
	if ok, is := f.(*wire.OK); !is || ok.ID != 5 || ok.Snapshot.Mine == nil {
		t.Errorf("after repeats: %s %s %v", name, data, err)
	}
}

// A hello that comes with the opening of a stream is answered before anything else of the connection has begun: the first ping comes
// a heartbeat later all the same, and not when a hello would have been late.
func TestStreamIsPingedInTime(t *testing.T) {
	inBubble(t, func(b *bubble) {
		for i := range 500 { // of which some ten had the other order
			program := b.asker("ana")
			s := &stream{TB: b.t, base: "http://lock.example.com", name: streamName(), http: program.http}
			s.open("stream", hello(i))
			s.frame(1)
			welcomed := time.Now()
			for f := wire.Frame(nil); f == nil || f.Kind() != "ping"; {
				_, data := s.next()
				f, _ = wire.DecodeReply(data)
			}
			if took := time.Since(welcomed); took > 2800*time.Millisecond {
				t.Errorf("the first ping of stream %d came after %v; the heartbeat is 2.5 s", i, took)
			}
			_ = s.answer.Body.Close()
			program.idle()
		}
	})
}

// A client that gives its request up, or whose connection breaks, has gone at once.
func TestStreamOfAClientThatLeaves(t *testing.T) {
	w := start(t)
	for _, open := range []string{"stream", "poll"} {
		s := w.stream(open)
		_ = s.answer.Body.Close()
		w.gone(open + " given up")
		s.post(1, 404, `{"id":1,"type":"bye"}`)
	}
}

// A poll that is repeated, left out or doubled ends the connection: something that was sent may be lost.
// Faults: W6
func TestPollNumbers(t *testing.T) {
	w := start(t)
	for _, number := range []int64{1, 3, 2} {
		s := w.stream("poll", hello(1))
		s.frame(1)
		if name, data, err := s.events.Next(); err != io.EOF {
			t.Fatalf("the answer goes on: %s %s %v", name, data, err)
		}
		if number == 2 { // the right one, twice
			if resp := s.do(head(wire.StreamHead{Key: s.key, Poll: 2})); resp.StatusCode != http.StatusOK {
				t.Fatal(resp.Status)
			}
		}
		s.wants(s.do(head(wire.StreamHead{Key: s.key, Poll: number})), 404, wire.NoStream)
		w.gone(fmt.Sprint("after poll ", number))
	}
	s := w.stream("stream", hello(2))
	s.wants(s.do(head(wire.StreamHead{Key: s.key, Poll: 2})), 404, wire.NoStream)
	w.gone("a stream is not polled")
}

// A client that does not ask for what is to be sent is cut off.
// Faults: A8
func TestPollThatNeverComes(t *testing.T) {
	w := start(t, func(o *setup) { o.WriteTimeout = time.Second })
	s := w.stream("poll", hello(1))
	s.frame(1)
	s.post(1, 204, `{"id":2,"type":"watch","resource":"article/42"}`)
	w.gone("nobody came for the answer")
}

// Too big a message, or too many bytes, end the connection as they would end a socket.
// Faults: A2, A10
func TestStreamTooBig(t *testing.T) {
	w := start(t, func(o *setup) { o.Rate, o.Burst = 1, 1000 })
	big := w.stream("stream", hello(1))
	big.frame(1)
	big.post(1, 204, `{"id":2,"type":"bye","x":"`+strings.Repeat("x", wire.MaxMessage)+`"}`)
	if name, data := big.reply(); name != wire.EventClose || !strings.Contains(string(data), "1009") {
		t.Errorf("%s %s", name, data)
	}
	many := w.stream("stream", hello(2))
	many.frame(1)
	many.post(1, 204, strings.Repeat(" \n", wire.MaxMessage))
	if name, data := many.reply(); name != wire.EventClose || !strings.Contains(string(data), "4102") {
		t.Errorf("%s %s", name, data)
	}
}

// Under a base and over HTTP/2, as browsers meet it behind TLS.
func TestStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	m := open(t)
	s, err := server.New(m, server.Options{
		Access: server.Access{Keys: wire.Keys{appKey}, Issuer: "app", Audience: "editlock"}, LockKey: lockKey, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/editlock/", http.StripPrefix("/editlock", s))
	h := httptest.NewUnstartedServer(mux)
	h.EnableHTTP2 = true
	h.StartTLS()
	defer h.Close()
	for _, open := range []string{"stream", "poll"} {
		c := &stream{TB: t, base: h.URL + "/editlock", name: streamName(), http: &http.Client{Transport: &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
		c.open(open, hello(1))
		if c.answer.ProtoMajor != 2 {
			t.Fatal(c.answer.Proto)
		}
		if w, ok := c.frame(1).(*wire.Welcome); !ok {
			t.Errorf("%s: %+v", open, w)
		}
		c.post(1, 204, `{"id":2,"type":"watch","resource":"article/42"}`)
		if open == "poll" {
			c.answer = c.do(head(wire.StreamHead{Key: c.key, Poll: 2}))
			c.events = wire.NewEvents(c.answer.Body)
		}
		c.frame(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}
