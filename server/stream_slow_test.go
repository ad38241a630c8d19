package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock/wire"
)

// deafStream holds article/42 over a stream, watches everything, answers pings blindly, and reads nothing more.
func (w *world) deafStream() (*raw, *stream) {
	w.Helper()
	slow := w.rawDial()
	s := &stream{TB: w.TB, base: "http://" + w.addr, name: streamName(), http: &http.Client{Transport: &http.Transport{}}}
	body := head(wire.StreamHead{Open: "stream"}, fmt.Sprintf(`{"id":1,"type":"hello","token":%q,"nonce":%q}`, access("slow"), nonce()),
		`{"id":2,"type":"acquire","resource":"article/42"}`)
	s.answer = slow.request(fmt.Sprintf("POST /v1/stream/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", s.name, w.addr, len(body), body))
	s.events = wire.NewEvents(s.answer.Body)
	var opened wire.StreamOpen
	if _, data := s.next(); json.Unmarshal(data, &opened) != nil {
		w.Fatalf("%s", data)
	}
	s.key = opened.Key
	fence := s.frame(2).(*wire.OK).Snapshot.Mine.Fence
	s.post(1, 204, `{"id":3,"type":"watch","prefix":""}`, fmt.Sprintf(`{"id":4,"type":"confirm","resource":"article/42","fence":%d}`, fence))
	var pongs [][]byte // to every ping that may come: one after the other would be late on a loaded machine
	for n := range 100 {
		pongs = append(pongs, fmt.Appendf(nil, `{"type":"pong","ping":%d}`, n+1))
	}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	w.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		often := time.NewTicker(50 * time.Millisecond)
		defer often.Stop()
		for n := int64(2); ; n++ {
			body := wire.EncodePost(wire.StreamHead{Key: s.key, Post: n}, pongs...)
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/v1/stream/"+s.name, bytes.NewReader(body))
			resp, err := s.http.Do(r)
			if err != nil {
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				return
			}
			<-often.C
		}
	}()
	return slow, s
}

// Faults: A8
func TestStreamSlowReader(t *testing.T) {
	log := newLog("reads too slowly")
	w := start(t, narrow, fast, func(o *setup) { o.Outbox, o.WriteTimeout, o.Logger = 64<<10, patience, log.logger() })
	_, slow := w.deafStream()
	stop := w.chatter()
	for conn := int64(0); conn != 1; { // the first connection is the slow one
		recv(t, log.found, "the cut").Attrs(func(a slog.Attr) bool {
			conn = a.Value.Int64()
			return false
		})
	}
	stop()
	for name := ""; name != wire.EventClose; { // it reads at last, and learns why
		var data []byte
		if name, data = slow.next(); name == wire.EventClose && !strings.Contains(string(data), "4100") {
			t.Errorf("%s", data)
		}
	}
	w.holds("article/42", "slow")
}

// Faults: A8
func TestStreamReaderThatNeverReads(t *testing.T) {
	w := start(t, narrow, fast, func(o *setup) { o.WriteTimeout = time.Second })
	slow, s := w.deafStream()
	stop := w.chatter()
	w.until("its writes fail", func() bool {
		return s.do(head(wire.StreamHead{Key: s.key, Post: 1})).StatusCode == http.StatusNotFound
	})
	stop()
	_ = slow.Close()
	w.holds("article/42", "slow")
}
