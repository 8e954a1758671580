// Entries in the order of their use, in one piece of memory that grows with them.
#pragma once

#include <cstdint>
#include <vector>

namespace tandem::survival {

/// Where an entry is, for as long as it is there.
using EntryNumber = std::uint32_t;

/// Several lists share one memory: an entry can go from one to another and keep its number.
template <class Value>
class RecencyLists {
  public:
    /// A list is known by the number of its head, which is an entry without a value.
    EntryNumber new_list() {
        const EntryNumber head = take();
        nodes_[head].before = nodes_[head].after = head;
        return head;
    }
    EntryNumber append(EntryNumber list, const Value& value) {
        const EntryNumber entry = take();
        nodes_[entry].value = value;
        link_last(list, entry);
        return entry;
    }
    /// Makes it the last one of a list, its own or another.
    void use(EntryNumber list, EntryNumber entry) {
        unlink(entry);
        link_last(list, entry);
    }
    void erase(EntryNumber entry) {
        unlink(entry);
        nodes_[entry].after = free_;
        free_ = entry;
    }
    [[nodiscard]] bool is_empty(EntryNumber list) const { return nodes_[list].after == list; }
    /// The one that has not been used for the longest time. The list is not empty.
    [[nodiscard]] EntryNumber first(EntryNumber list) const { return nodes_[list].after; }
    Value& operator[](EntryNumber entry) { return nodes_[entry].value; }
    const Value& operator[](EntryNumber entry) const { return nodes_[entry].value; }

  private:
    static constexpr EntryNumber kNone = 0xffff'ffff;
    struct Node {
        Value value{};
        EntryNumber before = kNone;
        EntryNumber after = kNone;  ///< of a free one: the next that is free
    };

    EntryNumber take() {
        if (free_ == kNone) {
            nodes_.emplace_back();
            return static_cast<EntryNumber>(nodes_.size() - 1);
        }
        const EntryNumber entry = free_;
        free_ = nodes_[entry].after;
        return entry;
    }
    void unlink(EntryNumber entry) {
        nodes_[nodes_[entry].before].after = nodes_[entry].after;
        nodes_[nodes_[entry].after].before = nodes_[entry].before;
    }
    void link_last(EntryNumber list, EntryNumber entry) {
        const EntryNumber last = nodes_[list].before;
        nodes_[entry].before = last;
        nodes_[entry].after = list;
        nodes_[last].after = entry;
        nodes_[list].before = entry;
    }

    std::vector<Node> nodes_;
    EntryNumber free_ = kNone;
};

}  // namespace tandem::survival
