# Sidekiq's own jobs, without Active Job.
class HalfWorker
  include Sidekiq::Worker

  def perform(first, second)
    InvoiceMailer.thanks(first).deliver_now
    Once.fail jid
    InvoiceMailer.thanks(second).deliver_now
  end
end

class ThanksWorker
  include Sidekiq::Worker

  def perform(to, _number = nil)
    InvoiceMailer.thanks(to).deliver_now
  end
end

# Enqueues jobs of both kinds, fails, and enqueues them again.
class ParentWorker
  include Sidekiq::Worker

  def perform(to)
    ThanksWorker.perform_async(to, 1)
    ThanksWorker.perform_in(0.01, to, 2)
    ThanksWorker.perform_bulk([[to, 3], [to, 4]])
    ThanksWorker.perform_inline(to, 5)
    InvoiceMailer.overdue(to, Invoice.new(6)).deliver_later
    Once.fail jid
  end
end

class NotingWorker
  include Sidekiq::Worker

  def perform(to)
    [1, 2].each do |number|
      next unless Once.first?("enqueue #{number} for #{jid}")

      ThanksWorker.perform_async(to, number)
      Once.fail jid
    end
  end
end
