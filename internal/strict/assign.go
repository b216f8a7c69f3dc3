package strict

import (
	"cmp"
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// walker assigns a tree to Go values and collects what does not fit.
type walker struct {
	doc      *Doc
	root     reflect.Type
	later    []string
	problems Problems
}

func (w *walker) problem(key, format string, args ...any) {
	w.problems = append(w.problems, w.doc.Problem(key, format, args...))
}

// table assigns the keys of one table to a struct.
func (w *walker) table(prefix string, m map[string]any, v reflect.Value) {
	known := fields(v.Type())
	for _, name := range w.order(prefix, m) {
		key := under(prefix, name)
		i := slices.IndexFunc(known, func(f field) bool { return f.name == name })
		switch {
		case slices.Contains(w.later, key):
			w.problem(key, "%q is not in this version", key)
		case i < 0:
			w.problem(key, "unknown key %q%s", key, w.hint(name, known))
		default:
			w.assign(key, m[name], v.FieldByIndex(known[i].index))
		}
	}
}

// order returns the keys of a table in file order, without those that equal an
// earlier one but for case.
func (w *walker) order(prefix string, m map[string]any) []string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(w.doc.Line(under(prefix, a))-w.doc.Line(under(prefix, b)), strings.Compare(a, b))
	})
	first := map[string]string{}
	return slices.DeleteFunc(names, func(name string) bool {
		fold := strings.ToLower(name)
		other, twice := first[fold]
		if !twice {
			first[fold] = name
			return false
		}
		key, otherKey := under(prefix, name), under(prefix, other)
		w.problem(key, "%q and %q on line %d are equal but for case", key, otherKey, w.doc.Line(otherKey))
		return true
	})
}

// assign gives one value to v.
func (w *walker) assign(key string, value any, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		w.assign(key, value, p.Elem())
		v.Set(p)
		return
	}
	switch u := v.Addr().Interface().(type) {
	case *time.Duration:
		t, err := duration(value)
		if err != nil {
			w.problem(key, "%q %v", key, err)
		}
		*u = t
		return
	case encoding.TextUnmarshaler:
		s, ok := value.(string)
		if !ok {
			w.wrong(key, "a string", value)
		} else if err := u.UnmarshalText([]byte(s)); err != nil {
			w.problem(key, "%q %v", key, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if m, ok := value.(map[string]any); ok {
			w.table(key, m, v)
		} else {
			w.wrong(key, "a table", value)
		}
	case reflect.Map:
		w.mapOf(key, value, v)
	case reflect.Slice:
		w.slice(key, value, v)
	default:
		w.scalar(key, value, v)
	}
}

// mapOf gives a table to a map with string keys.
func (w *walker) mapOf(key string, value any, v reflect.Value) {
	m, ok := value.(map[string]any)
	if !ok {
		w.wrong(key, "a table", value)
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(m))
	for _, name := range w.order(key, m) {
		elem := reflect.New(v.Type().Elem()).Elem()
		w.assign(under(key, name), m[name], elem)
		out.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), elem)
	}
	v.Set(out)
}

// slice gives an array, or an array of tables, to a slice; it replaces the
// default and is never nil.
func (w *walker) slice(key string, value any, v reflect.Value) {
	var elems []any
	switch a := value.(type) {
	case []any:
		elems = a
	case []map[string]any:
		for _, m := range a {
			elems = append(elems, m)
		}
	default:
		want := "an array"
		if v.Type().Elem().Kind() == reflect.Struct {
			want = fmt.Sprintf("an array of tables ([[%s]])", key)
		}
		w.wrong(key, want, value)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(elems), len(elems))
	for i, e := range elems {
		w.assign(Elem(key, i), e, out.Index(i))
	}
	v.Set(out)
}

func (w *walker) scalar(key string, value any, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s, ok := value.(string); ok {
			v.SetString(s)
		} else {
			w.wrong(key, "a string", value)
		}
	case reflect.Bool:
		if b, ok := value.(bool); ok {
			v.SetBool(b)
		} else {
			w.wrong(key, "true or false", value)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		switch n, ok := value.(int64); {
		case !ok:
			w.wrong(key, "an integer", value)
		case v.OverflowInt(n):
			w.problem(key, "%q is out of range (%d)", key, n)
		default:
			v.SetInt(n)
		}
	case reflect.Float32, reflect.Float64:
		switch n := value.(type) {
		case float64:
			v.SetFloat(n)
		case int64:
			v.SetFloat(float64(n))
		default:
			w.wrong(key, "a number", value)
		}
	default:
		panic(fmt.Sprintf("strict: %s has the type %s, which is not supported", key, v.Type()))
	}
}

func (w *walker) wrong(key, want string, value any) {
	w.problem(key, "%q must be %s, not %s", key, want, kindOf(value))
}

// kindOf names the TOML type of a decoded value.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	case []any:
		return "an array"
	case []map[string]any:
		return "an array of tables"
	}
	return fmt.Sprintf("%T", v)
}

// field is a key of a struct.
type field struct {
	name  string
	index []int
	typ   reflect.Type
}

// fields lists the keys of a struct in the order of its fields.
func fields(t reflect.Type) []field {
	var list []field
	for f := range t.Fields() {
		name := f.Tag.Get("toml")
		switch {
		case f.Anonymous && name == "":
			for _, inner := range fields(f.Type) {
				list = append(list, field{inner.name, append(slices.Clone(f.Index), inner.index...), inner.typ})
			}
		case f.IsExported() && name != "" && name != "-":
			list = append(list, field{name, f.Index, f.Type})
		}
	}
	return list
}

// Keys lists the dotted keys of v's type, a struct or a pointer to one, in the
// order of its fields: tables by the keys in them, a map's keys as *, elements
// of arrays of tables without number.
func Keys(v any) []string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return keysOf("", t)
}

func keysOf(prefix string, t reflect.Type) []string {
	var keys []string
	for _, f := range fields(t) {
		keys = append(keys, keysUnder(under(prefix, f.name), f.typ)...)
	}
	return keys
}

func keysUnder(key string, t reflect.Type) []string {
	switch {
	case decodesItself(t):
	case t.Kind() == reflect.Pointer:
		return keysUnder(key, t.Elem())
	case t.Kind() == reflect.Map:
		return keysUnder(key+".*", t.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return keysUnder(key, t.Elem())
	case t.Kind() == reflect.Struct:
		return keysOf(key, t)
	}
	return []string{key}
}

func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
