// The newest of something, at most so many of it.
#pragma once
#include <algorithm>
#include <boost/circular_buffer.hpp>
#include <utility>

namespace millrace::server {

// In one piece of memory that grows with it: what lives long in small pieces, between what comes and goes, keeps pages from going back to the system.
template <class T>
using newest = boost::circular_buffer<T>;

// The oldest goes where there are `most`.
template <class T>
void push_newest(newest<T>& to, T one, std::size_t most) {
  while (to.size() >= most) to.pop_front();
  if (to.full()) to.set_capacity(std::min(most, std::max<std::size_t>(8, 2 * to.capacity())));
  to.push_back(std::move(one));
}

// The oldest go while that holds of them; with most of them goes their room.
template <class T, class Gone>
void drop_oldest(newest<T>& from, Gone gone) {
  while (!from.empty() && gone(from.front())) from.pop_front();
  if (from.size() < from.capacity() / 4) from.set_capacity(std::max<std::size_t>(8, 2 * from.size()));
}

}  // namespace millrace::server
