// Command protogen generates Go from the .proto files of a folder without protoc:
// protocompile reads them, protoc-gen-go's own generator writes the code.
//
//	protogen DIR OUT
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: protogen DIR OUT")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func generate(dir, out string) error {
	request, err := compile(dir)
	if err != nil {
		return err
	}
	plugin, err := protogen.Options{}.New(request)
	if err != nil {
		return fmt.Errorf("reading the descriptors: %w", err)
	}
	for _, file := range plugin.Files {
		internal_gengo.GenerateFile(plugin, file)
	}
	return write(plugin.Response(), out)
}

// compile parses every .proto file of dir into the request that protoc would send
// its plug-in.
func compile(dir string) (*pluginpb.CodeGeneratorRequest, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.proto"))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{ImportPaths: []string{dir}},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, fmt.Errorf("compiling %s: %w", dir, err)
	}
	descriptors := make([]*descriptorpb.FileDescriptorProto, len(files))
	for i, file := range files {
		descriptors[i] = protodesc.ToFileDescriptorProto(file)
	}
	return &pluginpb.CodeGeneratorRequest{FileToGenerate: names, ProtoFile: descriptors}, nil
}

func write(response *pluginpb.CodeGeneratorResponse, out string) error {
	if response.Error != nil {
		return fmt.Errorf("generating: %s", response.GetError())
	}
	for _, file := range response.File {
		path := filepath.Join(out, filepath.Base(file.GetName()))
		if err := os.WriteFile(path, []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
