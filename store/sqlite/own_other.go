//go:build !unix

package sqlite

import (
	"errors"
	"io"
)

func own(string) (io.Closer, error) {
	return nil, errors.New("the SQLite store needs a Unix system, to be sure that no other process uses the data file")
}
