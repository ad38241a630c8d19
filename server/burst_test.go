package server_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// Very much changes at one moment, as after an outage or in a deploy, and a page that looks on at all of it takes a breath before it
// reads: it is told of each, and not taken for one that does not read.
// Faults: A8
func TestBurstReachesReader(t *testing.T) {
	const sessions, each = 40, 40 // far more than the kernel holds for it, and far less than a bad client may have wait
	w := start(t, narrow, func(o *setup) { o.WriteTimeout, o.ttl = patience, 300*time.Second })
	conn := w.rawPage(hello(0), `{"id":2,"type":"watch","prefix":"article/"}`)
	defer func() { _ = conn.Close() }()
	list := &raw{w.TB, conn, bufio.NewReader(conn)}
	await := func(what string, as func(*wire.Snapshot) bool) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		for left := map[string]bool{}; len(left) < sessions*each; {
			op, payload, err := list.readFrame()
			switch {
			case err != nil:
				t.Fatalf("%v, after %d %s", err, len(left), what)
			case op == fin|8:
				t.Fatalf("closed with %d, after %d %s", binary.BigEndian.Uint16(payload), len(left), what)
			}
			f, err := wire.DecodeReply(payload)
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *wire.Ping:
				_, _ = conn.Write(frame(textFrame, fmt.Appendf(nil, `{"type":"pong","ping":%d}`, f.Ping)))
			case *wire.Snapshot:
				if as(f) {
					left[f.Resource] = true
				}
			}
		}
	}
	var held []editlock.Session
	for i := range sessions {
		s, err := w.m.Session(t.Context(), editlock.User{ID: fmt.Sprint("user", i), Name: "Ana"})
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, s)
	}
	// A few at a time, or a busy machine's store has more waiting than it does within its time limit.
	atOnce := func(do func(i int, s editlock.Session) error) {
		var all sync.WaitGroup
		slots := make(chan struct{}, 4)
		for i, s := range held {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				if err := do(i, s); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	atOnce(func(i int, s editlock.Session) error {
		for j := range each {
			if _, err := s.Try(t.Context(), fmt.Sprintf("article/%d-%d", i, j)); err != nil {
				return err
			}
		}
		return nil
	})
	await("that are held", func(s *wire.Snapshot) bool { return s.State == wire.Held })
	atOnce(func(_ int, s editlock.Session) error { return s.Close() })
	await("that are free", func(s *wire.Snapshot) bool { return s.State == wire.Free })
}
