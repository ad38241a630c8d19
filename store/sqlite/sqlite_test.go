package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Engine{Place: func(t testing.TB) storetest.Open {
		path := filepath.Join(t.TempDir(), "data.db")
		return func() (store.Store, error) { return Open(path, Options{}) }
	}})
}
