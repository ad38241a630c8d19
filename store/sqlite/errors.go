package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/editlock/editlock/store"
)

// trouble says what an error of SQLite means for us.
type trouble int

const (
	passing trouble = iota // nothing was written, may heal: full, busy, out of memory or of file descriptors
	shared                 // the shared memory of the WAL could not be made or grown (a full disk, mostly)
	stopped                // the statement was interrupted
	fatal                  // I/O failed, the file is damaged, or something we do not understand
)

func judge(err error) trouble {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return stopped
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return fatal
	}
	switch e.Code() {
	case lib.SQLITE_IOERR_SHMOPEN, lib.SQLITE_IOERR_SHMSIZE, lib.SQLITE_IOERR_SHMMAP, lib.SQLITE_IOERR_SHMLOCK:
		return shared
	case lib.SQLITE_IOERR_NOMEM:
		return passing
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL, lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_NOMEM, lib.SQLITE_CANTOPEN, lib.SQLITE_PROTOCOL:
		return passing
	case lib.SQLITE_INTERRUPT:
		return stopped
	}
	return fatal
}

// fail turns an error of SQLite into one of package store, where it is certain that nothing was written.
func (s *Store) fail(ctx context.Context, err error) error {
	switch judge(err) {
	case passing, shared:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case stopped:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: no answer within %v", store.ErrUnavailable, s.lim.timeout)
	}
	return s.stopForGood(err)
}

// explain turns an error of SQLite while the file is opened into one that says what to do.
func explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if judge(e) == shared {
		return fmt.Errorf("%w: no shared memory for the WAL; the disk is full, or no local one: make room, or use a local disk: %w",
			store.ErrUnavailable, err)
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return damaged(err.Error())
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: the disk is full: make room and start again: %w", store.ErrUnavailable, err)
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("%w: some other program has locked it: end that one first: %w", ErrInUse, err)
	case lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return fmt.Errorf("cannot open it: this process must be able to read and write the file and its directory: %w", err)
	}
	return err
}

func damaged(how string) error {
	return fmt.Errorf("%w (%s): put a backup in its place, or move it away, with its -wal and -shm files, to begin anew "+
		"(every lock is then free, and fences go on rising)", ErrCorrupt, how)
}
