package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/editlock/editlock/store"
)

// A checkpoint writes what the WAL holds back into the data file, so that the WAL can begin again from its
// start. SQLite would do it in the middle of a commit, which then takes 10 ms and more. Here it runs beside the
// writer, and does most of the work; what the writer has added meanwhile it then does itself, which is little. Only so the
// WAL begins again from its start, and to write it in place takes half the time of making it grow. Should that not
// do (a reader that stays, a load too high), the writer stops for a moment and empties the WAL at a limit.

type checkpointer struct {
	db      *sql.DB
	passive *sql.Stmt
	wal     string
	files   map[string]fs.FileInfo // the data file and the WAL, as they were at the start
	wake    chan struct{}
	one     sync.Mutex  // held by whoever checkpoints
	nearly  atomic.Bool // the WAL is in the data file but for what was written since
	written int64       // bytes since the last one was asked for, by the writer's estimate; used by the writer alone
}

func openCheckpointer(ctx context.Context, s *Store) (*checkpointer, error) {
	c := &checkpointer{db: connect(s.path, walPragmas...), wal: s.path + "-wal", wake: make(chan struct{}, 1)}
	c.db.SetMaxOpenConns(1)
	var err error
	if c.passive, err = c.db.PrepareContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		_ = c.db.Close()
		return nil, err
	}
	c.files = make(map[string]fs.FileInfo)
	for _, name := range []string{s.path, c.wal} {
		if c.files[name], err = os.Stat(name); err != nil {
			_ = c.db.Close()
			return nil, err
		}
	}
	return c, nil
}

// checkFiles makes sure that what SQLite writes to can still be found at the next start: a file that was
// removed or replaced goes on taking writes, and loses them all.
func (c *checkpointer) checkFiles() error {
	for name, was := range c.files {
		is, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(was, is):
			return fmt.Errorf("%s was removed or replaced while it was in use", name)
		}
	}
	return nil
}

// ask has a checkpoint run soon.
func (c *checkpointer) ask() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (s *Store) runCheckpoints() {
	c := s.checks
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if err := c.checkFiles(); err != nil {
				_ = s.stopForGood(err)
			}
			continue
		case <-c.wake:
		case <-s.stop:
			return
		}
		c.one.Lock()
		err := s.checkpoint(c.passive)
		c.one.Unlock()
		c.nearly.Store(err == nil)
	}
}

// afterWrite is called by the writer when it has answered.
func (s *Store) afterWrite(batch []store.Group) {
	c := s.checks
	for _, g := range batch {
		for i := range g {
			c.written += int64(len(g[i].Data)) + 4096
		}
	}
	due := c.written >= s.lim.passive
	if due {
		c.written = 0
		if info, err := os.Stat(c.wal); err == nil && info.Size() >= s.lim.wal {
			c.one.Lock() // also for the one beside us: from here on the WAL must not grow
			defer c.one.Unlock()
			c.nearly.Store(false)
			_ = s.checkpoint(s.writer.empty)
			return
		}
	}
	switch {
	case c.nearly.Load() && c.one.TryLock():
		defer c.one.Unlock()
		c.nearly.Store(false)
		_ = s.checkpoint(s.writer.catchUp)
	case due:
		c.ask()
	}
}

// checkpoint runs one, with c.one held. It fails when the disk is full, say, and is then tried again later; a failure that
// could lose data stops the store.
func (s *Store) checkpoint(stmt *sql.Stmt) error {
	if err := s.failure(); err != nil {
		return err
	}
	var busy, frames, copied int64
	err := stmt.QueryRow().Scan(&busy, &frames, &copied)
	if err != nil && judge(err) == fatal {
		return s.stopForGood(err)
	}
	return err
}
