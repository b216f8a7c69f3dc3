package strict

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Encode prints v, a struct of the types that Decode knows or a pointer to one,
// as TOML, with the keys in the order of the fields. Nil pointers, maps and
// slices are left out; Decode of what it prints gives an equal value.
func Encode(v any) []byte {
	var b strings.Builder
	encodeTable(&b, "", reflect.Indirect(reflect.ValueOf(v)))
	return []byte(b.String())
}

// encodeTable prints the plain keys of a table first: what stands behind the
// header of an inner table would belong to that one.
func encodeTable(b *strings.Builder, prefix string, v reflect.Value) {
	type inner struct {
		key string
		v   reflect.Value
	}
	var tables []inner
	for _, e := range entriesOf(v) {
		switch {
		case e.v.Kind() == reflect.Pointer && e.v.IsNil():
		case isTable(e.v.Type()):
			tables = append(tables, inner{under(prefix, e.name), e.v})
		case e.v.Kind() == reflect.Slice && e.v.IsNil():
		default:
			fmt.Fprintf(b, "%s = %s\n", Key(e.name), literal(e.v))
		}
	}
	for _, t := range tables {
		if t.v.Kind() != reflect.Slice {
			if len(entriesOf(t.v)) > 0 {
				fmt.Fprintf(b, "\n[%s]\n", t.key)
				encodeTable(b, t.key, reflect.Indirect(t.v))
			}
			continue
		}
		for i := range t.v.Len() {
			fmt.Fprintf(b, "\n[[%s]]\n", t.key)
			encodeTable(b, t.key, reflect.Indirect(t.v.Index(i)))
		}
	}
}

type namedValue struct {
	name string
	v    reflect.Value
}

// entriesOf lists the keys of a struct or a map.
func entriesOf(v reflect.Value) []namedValue {
	v = reflect.Indirect(v)
	var list []namedValue
	if v.Kind() == reflect.Map {
		byName := map[string]reflect.Value{}
		for k, e := range v.Seq2() {
			byName[k.String()] = e
		}
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			list = append(list, namedValue{name, byName[name]})
		}
		return list
	}
	for _, f := range fields(v.Type()) {
		list = append(list, namedValue{f.name, v.FieldByIndex(f.index)})
	}
	return list
}

// isTable reports a type that TOML prints below a header.
func isTable(t reflect.Type) bool {
	if decodesItself(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return true
	case reflect.Pointer:
		return isTable(t.Elem())
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Struct && !decodesItself(t.Elem())
	}
	return false
}

// literal prints a value that stands on one line.
func literal(v reflect.Value) string {
	v = reflect.Indirect(v)
	switch x := v.Interface().(type) {
	case time.Duration:
		return quoteTOML(FormatDuration(x))
	case encoding.TextMarshaler:
		if text, err := x.MarshalText(); err == nil {
			return quoteTOML(string(text))
		}
	}
	switch v.Kind() {
	case reflect.String:
		return quoteTOML(v.String())
	case reflect.Slice:
		elems := make([]string, v.Len())
		for i := range elems {
			elems[i] = literal(v.Index(i))
		}
		return "[" + strings.Join(elems, ", ") + "]"
	case reflect.Float32, reflect.Float64:
		s := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return fmt.Sprint(v.Interface())
}

// quoteTOML prints a basic string of TOML 1.0.
func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
