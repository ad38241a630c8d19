package server_test

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock/wire"
)

// deafHolder is a page that holds article/42, watches everything, answers pings blindly, and reads nothing.
func (w *world) deafHolder() *raw {
	w.Helper()
	slow := w.rawSocket()
	say := func(text string) bool { _, err := slow.Write(frame(textFrame, []byte(text))); return err == nil }
	say(fmt.Sprintf(`{"id":1,"type":"hello","token":%q,"nonce":%q}`, access("slow"), nonce()))
	say(`{"id":2,"type":"acquire","resource":"article/42"}`)
	say(`{"id":3,"type":"watch","prefix":""}`)
	w.waitHeld("article/42", "slow")
	watch := w.page("watcher")
	s := watch.ok(&wire.Watch{ID: 1, Target: target("article/42")}).Snapshot
	say(fmt.Sprintf(`{"id":4,"type":"confirm","resource":"article/42","fence":%d}`, s.Revision))
	go func() {
		often := time.NewTicker(5 * time.Millisecond)
		defer often.Stop()
		for n := 1; say(fmt.Sprintf(`{"type":"pong","ping":%d}`, n)); n = n%20 + 1 {
			<-often.C
		}
	}()
	return slow
}

// chatter makes news until it is told to stop, or the test ends.
func (w *world) chatter() (stop func()) {
	busy := w.page("busy")
	done, ended := make(chan struct{}), make(chan struct{})
	answered := func() bool {
		select {
		case <-busy.answers:
			return true
		case <-done:
			return false
		}
	}
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			name := fmt.Sprintf("article/%s%d", strings.Repeat("x", 300), i%200)
			busy.send(&wire.Acquire{ID: busy.nextID(), Target: target(name)})
			if !answered() {
				return
			}
			busy.send(&wire.Cancel{ID: busy.nextID(), Target: target(name)})
			if !answered() {
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(done); <-ended })
	w.Cleanup(stop)
	return stop
}
