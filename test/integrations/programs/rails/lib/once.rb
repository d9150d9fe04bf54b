# What fails at the first time only, and what an application notes as done; over all processes.
module Once
  class Failure < StandardError; end

  def self.first?(what)
    Sidekiq.redis { |redis| redis.set("once:#{what}", "1", nx: true) }
  end

  def self.fail(what)
    raise Failure, "failed: #{what}" if first?("fail #{what}")
  end

  def self.count(what)
    Sidekiq.redis { |redis| redis.incr("count:#{what}") }
  end
end
