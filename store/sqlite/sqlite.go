// Package sqlite keeps the records in one SQLite file. It needs no set-up, and serves one process.
//
// The file is in WAL mode with synchronous=FULL: what Apply has answered is on the disk. Beside the data
// file lie, while it is open, FILE-wal and FILE-shm, which belong to it, and FILE.lock, which says who has it.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/editlock/editlock/store"
)

// Why a data file is refused. The errors of Open wrap them, and say what to do; the file is left as it was.
var (
	ErrInUse   = errors.New("the data file is in use")
	ErrForeign = errors.New("not a data file of editlock")
	ErrCorrupt = errors.New("the data file is damaged")
	ErrNewer   = errors.New("the data file was written by a newer version of editlock")
)

// Options of a store. The zero value is good.
type Options struct {
	Log *slog.Logger // where failures that stop the store are told; nil: slog.Default()
}

// Store is a store.Store in a SQLite file.
type Store struct {
	path string
	log  *slog.Logger
	lim  limits
	lock io.Closer

	writer  *writer
	jobs    chan *job
	reader  *reader
	checks  *checkpointer
	hints   store.Hints
	workers sync.WaitGroup
	stop    chan struct{} // closed when no call is under way any more

	mu     sync.Mutex
	closed bool
	broken error
	calls  sync.WaitGroup

	once    sync.Once
	closing error // what Close returned
}

var _ store.Store = (*Store)(nil)

// limits are apart from Options because nobody but a test needs others.
type limits struct {
	timeout time.Duration // of a call
	passive int64         // bytes written to the WAL after which a checkpoint runs beside the writer
	wal     int64         // bytes of the WAL file at which the writer itself empties it
}

var defaults = limits{timeout: store.Timeout, passive: 4 << 20, wal: 64 << 20}

// Open opens the data file at path, and makes it if there is none, in a directory that there must be. Only one Store can have
// it open at a time, over all processes, and only one Manager is to use that Store: it knows all that is written, since nobody else
// writes. A file that is made can be read by the owner only.
func Open(path string, o Options) (*Store, error) { return open(path, o, defaults) }

func open(path string, o Options, lim limits) (_ *Store, err error) {
	s := &Store{
		log:  o.Log,
		lim:  lim,
		jobs: make(chan *job),
		stop: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	defer func() {
		if err != nil {
			s.closeFiles()
			err = fmt.Errorf("store %q: %w", path, err)
		}
	}()
	if s.path, err = locate(path); err != nil {
		return nil, err
	}
	if s.lock, err = own(s.path); err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err = prepare(ctx, s.path, s.log); err != nil {
		return nil, err
	}
	if s.writer, err = openWriter(ctx, s.path, time.Now()); err != nil {
		return nil, explain(err)
	}
	if s.reader, err = openReader(ctx, s.path); err != nil {
		return nil, explain(err)
	}
	if s.checks, err = openCheckpointer(ctx, s); err != nil {
		return nil, explain(err)
	}
	s.workers.Go(s.runWriter)
	s.workers.Go(s.runCheckpoints)
	return s, nil
}

// Watch calls hint with every key that is written. Nobody else can write.
func (s *Store) Watch(ctx context.Context, hint func(key string)) error {
	return s.hints.Watch(ctx, hint)
}

// Now is the wall clock of this machine.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := s.enter(ctx); err != nil {
		return time.Time{}, err
	}
	defer s.calls.Done()
	return time.Now(), nil
}

// Close ends the calls under way, writes the WAL back into the data file and gives the file free. After a failure
// that broke the store it touches the files no more: what could not be written is not written again.
func (s *Store) Close() error {
	s.once.Do(func() { s.closing = s.close() })
	return s.closing
}

func (s *Store) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.hints.Close()
	s.calls.Wait()
	close(s.stop)
	s.workers.Wait()
	if s.failure() != nil {
		return s.lock.Close()
	}
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.reader != nil {
		errs = append(errs, s.reader.close())
	}
	if s.checks != nil {
		errs = append(errs, s.checks.db.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close()) // the last one: SQLite checkpoints
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// enter begins a call; calls.Done ends it.
func (s *Store) enter(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	if s.broken != nil {
		return s.broken
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.calls.Add(1)
	return nil
}

// stopForGood makes every later call fail with ErrBroken, and returns that error.
func (s *Store) stopForGood(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("%w: %w", store.ErrBroken, cause)
		s.log.Error("store stopped: see to the disk, then restart", "file", s.path, "cause", cause)
	}
	return s.broken
}

func (s *Store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// connect opens a pool of connections to the data file.
func connect(path string, pragmas ...string) *sql.DB {
	db, err := sql.Open("sqlite", dsn(path, pragmas...))
	if err != nil {
		panic(err) // only if the driver is not registered
	}
	return db
}
