// What push, pull, bridge and probe have in common on the command line.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "base/result.hpp"
#include "client/link.hpp"
#include "rtmp/uri.hpp"

namespace millrace::cli {

struct client_options {
  std::string url;
  std::string ca_file;
  bool insecure = false;
  std::string pin;
  std::string fallback;
  std::string congestion = "bbr";
  std::string redundancy = "auto";
  std::string mapping = "auto";
  bool reliable = false;
  std::string identifier = "transport=quic";
  double timeout_s = 10;
  std::string user;
  std::string password_file;
  bool allow_plain_redirect = false;
};

void add_client_options(CLI::App& command, client_options& into);

base::result<rtmp::uri_options> uri_options_of(const client_options& o);
// Checks what the options say (--pin, --ca) and warns loudly about --insecure.
base::result<client::link_settings> settings_of(const client_options& o);
// One warning for each parameter of the address that is a wish of ours, misspelt, and so is none.
void warn_of_misspelt(const rtmp::uri& uri, const rtmp::uri_options& names);
// Puts --pin in place of the URI's.
void apply_pin(const client_options& o, rtmp::uri& uri);

// Global flags, valid once the command line was parsed.
struct global_options {
  bool verbose = false;
  bool quiet = false;
};
global_options& globals();

// Under the help of every client command.
extern const char* const url_help;

}  // namespace millrace::cli
