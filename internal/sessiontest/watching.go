package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/editlock/editlock"
)

func watchOne(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	ctx, cancel := context.WithCancel(s.ctx)
	news, err := ben.Watch(ctx, doc)
	if err != nil {
		s.Fatal(err)
	}
	s.next(news, "a free resource", func(snap editlock.Snapshot) bool {
		return snap.State == editlock.Free && snap.Resource == doc && snap.Holder == nil
	})
	a := s.acquire(ana)
	s.next(news, "Ana", func(snap editlock.Snapshot) bool {
		return snap.State == editlock.Held && snap.Holder != nil && snap.Holder.User.Name == "Ana" && !snap.Holder.Since.IsZero()
	})
	waiting := s.start(s.ctx, ben)
	s.next(news, "one's own place", func(snap editlock.Snapshot) bool {
		return snap.Mine.State == editlock.MineWaiting && snap.Mine.Position == 1
	})
	s.release(a)
	b := s.lockOf(waiting)
	s.next(news, "one's own hold", func(snap editlock.Snapshot) bool {
		return snap.Holder != nil && snap.Holder.You && snap.Mine.Fence == b.Fence()
	})
	s.release(b)
	s.next(news, "the end", func(snap editlock.Snapshot) bool { return snap.State == editlock.Free })
	cancel()
	for range news { // it is closed
	}
}

func watchPrefix(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	s.acquire(ana)
	if _, err := ana.Try(s.ctx, "page/1"); err != nil {
		s.Fatal(err)
	}
	news, err := ben.Watch(s.ctx, "article/")
	if err != nil {
		s.Fatal(err)
	}
	s.next(news, "what is held already", func(snap editlock.Snapshot) bool { return snap.Resource == doc })
	b, err := ana.Try(s.ctx, "article/43")
	if err != nil {
		s.Fatal(err)
	}
	s.next(news, "what is held later", func(snap editlock.Snapshot) bool {
		if !strings.HasPrefix(snap.Resource, "article/") {
			s.Errorf("told of %s", snap.Resource)
		}
		return snap.Resource == "article/43" && snap.State == editlock.Held
	})
	s.release(b)
	s.next(news, "what is freed", func(snap editlock.Snapshot) bool { return snap.Resource == "article/43" && snap.State == editlock.Free })
}

func latestWins(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	news, err := ben.Watch(s.ctx, doc)
	if err != nil {
		s.Fatal(err)
	}
	a := s.acquire(ana)
	for i := range 30 {
		if err := a.Changed(s.ctx, fmt.Sprint(i)); err != nil {
			s.Fatal(err)
		}
	}
	// Ben's own question is answered after the news before it.
	if _, err := ben.Try(s.ctx, doc); !errors.Is(err, editlock.ErrLocked) {
		s.Fatal(err)
	}
	read := 0
	s.next(news, "the last version", func(snap editlock.Snapshot) bool {
		read++
		return snap.Version == "29"
	})
	if read > 3 {
		s.Errorf("%d snapshots were kept for a reader that did not read", read)
	}
}
